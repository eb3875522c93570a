// What each version of the SDK has: a run that is polled, its calls answered and polled again, and one that streams.
import OpenAI from "openai";

const client = new OpenAI();
const threads = client.beta.threads;
const parameters = { type: "object", properties: { table: { type: "string" } }, required: ["table"] };
const tools = [{ type: "function", function: { name: "row_count", description: "Count rows.", parameters } }];
// Until version 5 all ids of a path were arguments of their own, and since then the last one is.
const ids = (run) => (process.argv[2].startsWith("4.") ? [run.thread_id, run.id, {}] : [run.id, { thread_id: run.thread_id }]);
const answered = (run) => {
  const calls = run.required_action.submit_tool_outputs.tool_calls;
  const [params, ...first] = ids(run).reverse();
  const rows = (call) => `${JSON.parse(call.function.arguments).table} has 42 rows`;
  return [...first.reverse(), { ...params, tool_outputs: calls.map((c) => ({ tool_call_id: c.id, output: rows(c) })) }];
};

const instructions = "You count rows.";
const assistant = await client.beta.assistants.create({ model: "gpt-4-1106-preview", instructions, tools });
const thread = await threads.create({ messages: [{ role: "user", content: "How many orders are there?" }] });
let run = await threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
run = await threads.runs.submitToolOutputsAndPoll(...answered(run));
const polled = (await threads.messages.list(thread.id)).data[0].content[0].text.value;

await threads.messages.create(thread.id, { role: "user", content: "And now?" });
run = await threads.runs.stream(thread.id, { assistant_id: assistant.id }).finalRun();
let streamed = "";
const stream = threads.runs.submitToolOutputsStream(...answered(run));
stream.on("textDelta", (delta) => (streamed += delta.value ?? ""));
await stream.finalRun();
if (polled !== streamed) throw new Error(`${polled} is not ${streamed}`);
console.log(streamed);
