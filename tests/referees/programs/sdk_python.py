"""What each version of the SDK has: a run that is polled, its calls answered and polled again, and one that streams."""

import json

from openai import OpenAI

client = OpenAI()
PARAMETERS = {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]}
TOOL = {"type": "function", "function": {"name": "row_count", "description": "Count rows.", "parameters": PARAMETERS}}
threads = client.beta.threads


def outputs(run):
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [
        {"tool_call_id": call.id, "output": f"{json.loads(call.function.arguments)['table']} has 42 rows"}
        for call in calls
    ]


assistant = client.beta.assistants.create(model="gpt-4-1106-preview", instructions="You count rows.", tools=[TOOL])
thread = threads.create(messages=[{"role": "user", "content": "How many orders are there?"}])
run = threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
run = threads.runs.submit_tool_outputs_and_poll(thread_id=thread.id, run_id=run.id, tool_outputs=outputs(run))
polled = threads.messages.list(thread_id=thread.id).data[0].content[0].text.value

threads.messages.create(thread_id=thread.id, role="user", content="And now?")
with threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
    stream.until_done()
    run = stream.current_run
with threads.runs.submit_tool_outputs_stream(thread_id=thread.id, run_id=run.id, tool_outputs=outputs(run)) as stream:
    streamed = "".join(stream.text_deltas)
steps = [step.type for step in threads.runs.steps.list(run_id=run.id, thread_id=thread.id, order="asc")]
assert (polled, steps) == (streamed, ["tool_calls", "message_creation"]), (polled, streamed, steps)
print(streamed)
