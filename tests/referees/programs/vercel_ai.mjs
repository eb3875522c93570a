// The Vercel SDK: what a route of a web application hands on to its page.
import { AssistantResponse } from "ai";
import OpenAI from "openai";

const client = new OpenAI();
const assistant = await client.beta.assistants.create({ model: "gpt-4o", instructions: "You greet." });
const thread = await client.beta.threads.create();
const message = await client.beta.threads.messages.create(thread.id, { role: "user", content: "Hello" });
const response = AssistantResponse({ threadId: thread.id, messageId: message.id }, async ({ forwardStream }) => {
  await forwardStream(client.beta.threads.runs.stream(thread.id, { assistant_id: assistant.id }));
});
const lines = (await response.text()).split("\n").filter((line) => line.startsWith("0:"));
console.log(lines.map((line) => JSON.parse(line.slice(2))).join(""));
