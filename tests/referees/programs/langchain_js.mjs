// LangChain in JavaScript: its runnable for assistants, whose calls the program answers.
import { OpenAIAssistantRunnable } from "langchain/experimental/openai_assistant";

const parameters = { type: "object", properties: { table: { type: "string" } }, required: ["table"] };
const tools = [{ type: "function", function: { name: "row_count", description: "Count rows.", parameters } }];
const agent = await OpenAIAssistantRunnable.createAssistant({
  model: "gpt-4-1106-preview",
  instructions: "You count rows.",
  tools,
  asAgent: true,
  pollIntervalMs: 100,
});
const actions = await agent.invoke({ content: "How many orders are there?" });
const toolOutputs = actions.map((action) => ({
  tool_call_id: action.toolCallId,
  output: `${action.toolInput.table} has 42 rows`,
}));
const { runId, threadId } = actions[0];
console.log((await agent.invoke({ runId, threadId, toolOutputs })).returnValues.output);
