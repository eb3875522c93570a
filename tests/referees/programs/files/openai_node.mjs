// openai-node, as OpenAI's guides had it: files of a thread's message, its helper's events, footnotes, a download.
import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI();
const [text, table] = process.argv.slice(2);
const stores = client.vectorStores ?? client.beta.vectorStores;
const store = await stores.create({ name: "Reports" });
const batch = await stores.fileBatches.uploadAndPoll(store.id, { files: [fs.createReadStream(text)] });
if (batch.status !== "completed" || batch.file_counts.completed !== 1) throw new Error(JSON.stringify(batch));
const uploaded = await client.files.create({ file: fs.createReadStream(table), purpose: "assistants" });
const assistant = await client.beta.assistants.create({
  model: "gpt-4o",
  tools: [{ type: "file_search" }, { type: "code_interpreter" }],
  tool_resources: { file_search: { vector_store_ids: [store.id] } },
});
const attachments = [{ file_id: uploaded.id, tools: [{ type: "code_interpreter" }] }];
const messages = [{ role: "user", content: "How many orders are there?", attachments }];
const thread = await client.beta.threads.create({ messages });
const kinds = [];
let code = "";
let pictures = 0;
const run = client.beta.threads.runs
  .stream(thread.id, { assistant_id: assistant.id })
  .on("runStepDone", ({ type, step_details }) => {
    if (type === "tool_calls") kinds.push(...step_details.tool_calls.map((call) => call.type));
  })
  .on("toolCallDelta", (delta) => {
    if (delta.type !== "code_interpreter") return;
    code += delta.code_interpreter.input ?? "";
    pictures += (delta.code_interpreter.outputs ?? []).filter((output) => output.type === "image").length;
  });
await run.finalRun();
// From the list: in 4.40 the helper puts together the first annotation alone.
const [message] = (await client.beta.threads.messages.list(thread.id)).data;
if (`${kinds}` !== "file_search,code_interpreter" || !code.includes("csv.DictReader") || pictures !== 1)
  throw new Error(`${kinds} ${code} ${pictures}`);
const { value, annotations } = message.content[message.content.length - 1].text;
let said = value;
for (const [number, annotation] of annotations.entries()) {
  const id = annotation.file_citation?.file_id ?? annotation.file_path.file_id;
  const words = annotation.file_citation
    ? ` [${number}: ${(await client.files.retrieve(id)).filename}]`
    : await (await client.files.content(id)).text();
  said = said.replace(annotation.text, words);
}
console.log(said);
