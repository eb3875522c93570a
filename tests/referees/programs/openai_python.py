"""The SDK itself: a handler of events, a function, and the outputs of its calls submitted as a stream."""

import json

from openai import AssistantEventHandler, OpenAI

client = OpenAI()
PARAMETERS = {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}
TOOL = {"type": "function", "function": {"name": "row_count", "description": "Count rows.", "parameters": PARAMETERS}}


class Handler(AssistantEventHandler):
    said = ""

    def on_text_delta(self, delta, snapshot):
        type(self).said += delta.value or ""

    def on_event(self, event):
        if event.event != "thread.run.requires_action":
            return
        outputs = []
        for call in event.data.required_action.submit_tool_outputs.tool_calls:
            table = json.loads(call.function.arguments)["table"]
            outputs.append({"tool_call_id": call.id, "output": f"{table} has 42 rows"})
        run = event.data
        with client.beta.threads.runs.submit_tool_outputs_stream(
            thread_id=run.thread_id, run_id=run.id, tool_outputs=outputs, event_handler=Handler()
        ) as stream:
            stream.until_done()


assistant = client.beta.assistants.create(model="gpt-4o", instructions="You count rows.", tools=[TOOL])
thread = client.beta.threads.create(messages=[{"role": "user", "content": "How many orders are there?"}])
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()) as stream:
    stream.until_done()
print(Handler.said)
