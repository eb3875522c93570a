"""griptape: a structure whose answers come from an assistant, read from its events as they stream."""

from griptape.drivers.assistant.openai import OpenAiAssistantDriver
from griptape.events import EventBus, EventListener, TextChunkEvent
from griptape.structures import Pipeline
from griptape.tasks import AssistantTask
from openai import OpenAI

said = []
EventBus.add_event_listener(EventListener(lambda event: said.append(event.token), event_types=[TextChunkEvent]))
client = OpenAI()
assistant = client.beta.assistants.create(model="gpt-4o", instructions="You greet.")
driver = OpenAiAssistantDriver(client=client, assistant_id=assistant.id, auto_create_thread=True)
Pipeline(tasks=[AssistantTask("Hello", assistant_driver=driver)]).run()
print("\n" + "".join(said))
