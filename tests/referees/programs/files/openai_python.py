"""The SDK itself, as OpenAI's guides had it: a store, files, a handler of events, footnotes, a download."""

import sys

from openai import AssistantEventHandler, OpenAI

client = OpenAI()
# Until 1.66 stores stood below `beta`.
stores = getattr(client, "vector_stores", None) or client.beta.vector_stores
text, table = sys.argv[1:]


class Handler(AssistantEventHandler):
    kinds, code, pictures, said, links = [], "", 0, "", []

    def on_run_step_done(self, run_step):
        if run_step.type == "tool_calls":
            self.kinds.extend(call.type for call in run_step.step_details.tool_calls)

    def on_tool_call_delta(self, delta, snapshot):
        if delta.type == "code_interpreter":
            type(self).code += delta.code_interpreter.input or ""
            outputs = delta.code_interpreter.outputs or []
            type(self).pictures += sum(output.type == "image" for output in outputs)

    def on_message_done(self, message):
        words = message.content[-1].text
        for number, annotation in enumerate(words.annotations):
            if annotation.type == "file_citation":
                name = client.files.retrieve(annotation.file_citation.file_id).filename
                words.value = words.value.replace(annotation.text, f" [{number}: {name}]")
            else:
                written = client.files.content(annotation.file_path.file_id).read().decode()
                words.value = words.value.replace(annotation.text, written)
        type(self).said = words.value


store = stores.create(name="Reports", expires_after={"anchor": "last_active_at", "days": 1})
with open(text, "rb") as file:
    batch = stores.file_batches.upload_and_poll(vector_store_id=store.id, files=[file])
assert (batch.status, batch.file_counts.completed) == ("completed", 1), batch
with open(table, "rb") as file:
    uploaded = client.files.create(file=file, purpose="assistants")
assistant = client.beta.assistants.create(
    model="gpt-4o",
    tools=[{"type": "file_search"}, {"type": "code_interpreter"}],
    tool_resources={
        "file_search": {"vector_store_ids": [store.id]},
        "code_interpreter": {"file_ids": [uploaded.id]},
    },
)
thread = client.beta.threads.create(messages=[{"role": "user", "content": "How many orders are there?"}])
with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=Handler()) as stream:
    stream.until_done()
assert Handler.kinds == ["file_search", "code_interpreter"], Handler.kinds
assert "csv.DictReader" in Handler.code, Handler.code
assert Handler.pictures == 1, Handler.pictures
print(Handler.said)
