"""Real llama.cpp in the play: the engine of the server, with the local model, behind a stage that looks at requests.

It takes what it takes and refuses what it refuses: the rules of its part are counted, and never refuse for it. What its
model says is no script, so its cells ask for no more than that a call is made, answered, and gone on from.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cast import PARTS
from play import RULES, once_more, weather
from stage import Json, Said, Stage

from nbassist import Assistant, Threads
from nbassist.config.settings import Settings
from nbassist.errors import NbassistError
from nbassist.server.engine.llama_cpp import Engine

NAME = "llama.cpp, the real one"
# State that must not leave its home, ids of each kind, encrypted reasoning, and calls that are no JSON, which the last
# one writes in its third cell.
BEFORE = ("OpenAI (Responses)", "Gemini", "Mistral", "OpenRouter", "vLLM", "vLLM", "vLLM")


class RealStage(Stage):
    """Hands each request on to a running engine, and its answer back."""

    def __init__(self, engine: Engine) -> None:
        self._engine_url, self._key = asyncio.run(engine.base_url()), engine.api_key
        (played,) = (part for part in PARTS if part.name == "llama.cpp")
        super().__init__(replace(played, name=NAME, model=engine.default_model))

    def answer(self, path: str, body: Json) -> tuple[int, list[bytes]]:
        """Count the rules, and have the engine answer."""
        self.requests.append(body)
        for rule in self.part.rules:
            for fault in rule.look(body, self.said):
                (self.broken if fault else self.held)[rule.name] += 1
        status, answer = self.post(body)
        if status == 200:
            self.said.append(Said())
        else:
            self.refused += 1
            self.faults.append(answer.decode())
        return status, [answer]

    def post(self, body: Json) -> tuple[int, bytes]:
        """Ask the engine itself; return its status and its whole answer."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._key}"}
        url = f"{self._engine_url}/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def real_stage() -> Iterator[RealStage]:
    """Open a stage on an engine of its own; it loads the local model."""
    engine = Engine()
    try:
        stage = RealStage(engine)
        try:
            yield stage
        finally:
            stage.close()
    finally:
        engine.close()


def cells(stage: RealStage, threads: Threads) -> list[str]:
    """Play two cells with a tool and one without; return what was not as it should be."""
    settings = Settings("chat", stage.url, "k", stage.part.model)
    made = Assistant(settings=settings, threads=threads, parameters={"temperature": 0, "max_tokens": 80})
    wrong = []
    for prompt, tools in (
        ("What is the weather in Oslo? Use the tool.", [weather]),
        ("Now say the word zebra.", []),
        ("And what is the weather in Rome? Use the tool.", [weather]),
    ):
        try:
            reply = made.ask(prompt, tools=tools)
        except NbassistError as error:
            wrong.append(f"{prompt} {type(error).__name__}: {error}")
            continue
        done = [call.output for call in reply.tool_calls]
        if reply.finish not in ("completed", "incomplete") or bool(done) != bool(tools):
            wrong.append(f"{prompt} {reply.finish}, {done}, {reply.text!r} {reply.detail}")
    return wrong


def there_and_back(real: RealStage) -> tuple[list[Stage], list[str]]:
    """Take a thread through providers of each habit, to the real engine, and back to each; return what was wrong."""
    threads = Threads()
    made = {part.name: Stage(part) for part in PARTS if part.name in BEFORE}
    try:
        wrong = [one for name in BEFORE for one in once_more(made[name], threads)]
        wrong += cells(real, threads)
        return list(made.values()), [*wrong, *(one for stage in made.values() for one in once_more(stage, threads))]
    finally:
        for stage in made.values():
            stage.close()


def row(stage: RealStage) -> str:
    """Return its row of the table; the last cell is that of an endpoint of which nothing is known, as this one is."""
    held = ["broken" if stage.broken[rule] else "held" if stage.held[rule] else "–" for rule in RULES]
    return f"| {' | '.join([NAME, *held, 'refused' if stage.refused else 'held'])} |"
