// openai-node: a stream with its events, a function, and its outputs submitted as a stream.
import OpenAI from "openai";

const client = new OpenAI();
const parameters = { type: "object", properties: { table: { type: "string" } }, required: ["table"] };
const tools = [{ type: "function", function: { name: "row_count", description: "Count rows.", parameters } }];
const assistant = await client.beta.assistants.create({ model: "gpt-4o", instructions: "You count rows.", tools });
const thread = await client.beta.threads.create({ messages: [{ role: "user", content: "How many orders are there?" }] });

let said = "";
const listen = (stream) => stream.on("textDelta", (delta) => (said += delta.value ?? ""));
const first = listen(client.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id }));
const run = await first.finalRun();
const tool_outputs = run.required_action.submit_tool_outputs.tool_calls.map((call) => ({
  tool_call_id: call.id,
  output: `${JSON.parse(call.function.arguments).table} has 42 rows`,
}));
const second = listen(client.beta.threads.runs.submitToolOutputsStream(thread.id, run.id, { tool_outputs }));
await second.finalRun();
console.log(said);
