"""Streams that never say anything, never end, or are cut where no text may be cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist import Assistant
from nbassist.backends.http import answer_stream, sse
from nbassist.backends.http import read_limits as bounded
from nbassist.backends.http.answer_stream import ChunkHalves, EventStream
from nbassist.backends.http.sse import EventReader
from nbassist.core.events import Event, TextDelta
from nbassist.errors import BackendError, StreamBrokenError


class Listener:
    """A decoder that takes the text of a chunk, and says nothing to one without."""

    started = True
    done = False
    grace = None

    def feed(self, chunk: Any) -> list[Event]:
        text = chunk.get("text", "")
        return [TextDelta(text)] if text else []

    def finish(self, *, marked: bool = False) -> list[Event]:
        return []

    def broken(self, error: BackendError | str) -> list[Event]:
        return []


def chunk(**data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(answer_stream.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("empty", [chunk(text=""), b": ping\n\n", b"event: ping\ndata: {}\n\n", b"data:\n\n"])
def test_what_says_nothing_does_not_hold_off_the_deadline(clock: list[float], empty: bytes) -> None:
    stream = EventStream(Listener(), 10.0)  # type: ignore[arg-type]
    list(stream.feed(chunk(text="half ")))
    list(stream.feed(empty))  # the first of a name may say something by its name

    def drip() -> None:
        for _ in range(30):
            clock[0] += 1.0
            list(stream.feed(empty))

    with pytest.raises(StreamBrokenError, match="for 10 seconds"):
        drip()
    assert clock[0] <= 12.0


@pytest.mark.parametrize("names", [("a", "b"), [f"made-up-{number}" for number in range(100)]], ids=["two", "many"])
def test_names_in_turn_and_made_up_ones_are_no_sign_of_life_either(clock: list[float], names: Iterable[str]) -> None:
    stream = EventStream(Listener(), 10.0)  # type: ignore[arg-type]
    list(stream.feed(chunk(text="half ")))

    def drip() -> None:
        for name in [*names] * 50:
            clock[0] += 1.0
            list(stream.feed(f"event: {name}\ndata: {{}}\n\n".encode()))

    with pytest.raises(StreamBrokenError, match="for 10 seconds"):
        drip()
    assert clock[0] <= 50.0


def test_text_however_slow_holds_it_off(clock: list[float]) -> None:
    stream = EventStream(Listener(), 10.0)  # type: ignore[arg-type]
    for _ in range(30):
        clock[0] += 9.0
        assert list(stream.feed(chunk(text="a")))


def utf16(text: str, size: int) -> Iterable[str]:
    """Cut a text by UTF-16 units, as servers do that keep texts so."""
    units = text.encode("utf-16-le", "surrogatepass")
    for at in range(0, len(units), 2 * size):
        yield units[at : at + 2 * size].decode("utf-16-le", "surrogatepass")


@given(st.text(st.sampled_from("ab😀𝒳é\n")), st.integers(1, 3))
def test_characters_cut_in_halves_are_whole_again(text: str, size: int) -> None:
    halves = ChunkHalves()
    told = ""
    for piece in utf16(text, size):
        data = json.dumps({"choices": [{"delta": {"content": piece}}]})
        told += halves.mend(json.loads(data), data)["choices"][0]["delta"]["content"]
    assert told == text


def test_a_half_whose_other_half_never_comes_is_replaced_in_a_whole_reply(endpoint: Any, wire: Any) -> None:
    pieces = wire.stream(wire.delta(content="a\ud83d"), wire.delta(content="b\ude00c"), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(pieces))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m").ask("q")
    assert reply.text == "a\ufffdb\ufffdc"
    assert reply.finish == "completed"


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_event_in_any_pieces_is_the_same_event(size: int) -> None:
    body = b"\xef\xbb\xbfdata: one\r\n\r\nevent: x\rdata: two\ndata: lines\n\n: c\ndata: " + b"y" * 9000 + b"\n\n"
    reader = EventReader()
    events = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
    events += reader.finish()
    assert [(event.name, event.data[:10]) for event in events] == [("", "one"), ("x", "two\nlines"), ("", "y" * 10)]


def test_a_long_event_is_put_together_once() -> None:
    reader = EventReader()
    list(reader.feed(b"data: "))
    for _ in range(2_000):
        assert list(reader.feed(b"x" * 1_000)) == []
    (event,) = reader.feed(b"\n\n")
    assert len(event.data) == 2_000_000
    assert reader._held == [], "pieces are kept apart until the line has ended"


JSON_IN_LINES = {
    "no indentation": (b'{"a":[\n', b'{\n"b":1\n},\n', b"0]}"),
    "brackets in texts": (b'{"a":[\n', b'"}] \\" {[",\n', b"0]}"),
    "blank lines": (b"[\n", b"\n", b"0]"),
    "closed twice": (b"{}}\n", b"}\n", b"{}"),
    "a bad word, then what closes": (b'{"a": 1, no}\n', b"]\n{}\n", b"{}"),
}


@pytest.mark.parametrize("kind", JSON_IN_LINES)
def test_json_over_many_lines_is_parsed_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, line, end = JSON_IN_LINES[kind]
    body = begin + line * 500 + end
    read = 0
    is_json = sse._is_json

    def counted(data: str) -> bool:
        nonlocal read
        read += len(data)
        return is_json(data)

    monkeypatch.setattr(sse, "_is_json", counted)
    reader = EventReader()
    events = [event for at in range(0, len(body), 100) for event in reader.feed(body[at : at + 100])]
    events += reader.finish()
    assert read <= len(body)
    # What is no JSON comes whole at the end, to be shown.
    assert ["".join(event.data.split()) for event in events] == ["".join(body.decode().split())]


def test_blank_lines_within_json_count_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LONGEST", 1 << 14)
    reader = EventReader()

    def drip() -> None:
        for _ in range(100):
            list(reader.feed(b"{" + b"\n" * 1_000))

    with pytest.raises(StreamBrokenError, match="longer than"):
        drip()


@pytest.mark.parametrize("line", [b'{"a": "' + b'\\"' * 5_000, b'{"' * 5_000, b'{"a": "' + b"\\" * 9_999])
def test_a_line_of_quotes_is_gone_over_once(line: bytes) -> None:
    text = line.decode()
    assert sse._TEXT.sub("", text).strip('{": a') == ""
    assert len(sse._TEXT.findall(text)) <= text.count('"') // 2 + 1


def test_an_event_that_is_longer_than_any_reply_is_named_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_LONGEST", 1 << 20)
    reader = EventReader()
    assert not list(reader.feed(b"data: " + b"x" * 1_000_000))
    with pytest.raises(StreamBrokenError, match="longer than 1 MB"):
        list(reader.feed(b"x" * 100_000))


def test_an_error_without_an_end_is_read_up_to_a_limit(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "_MOST", 20_000)
    sent: list[int] = []
    pieces = [b'{"error": {"message": "no'] + [b" and no" * 200] * 5_000
    answer = wire.answer(pieces, 400, "application/json", before=sent.append)
    endpoint.on("POST", "/chat/completions", answer)
    with pytest.raises(BackendError) as caught:
        Assistant(backend="chat", base_url=endpoint.url, model="m").ask("q")
    assert len(str(caught.value)) <= 300
    assert "\n" not in str(caught.value)
    assert len(sent) < 5_000


@given(st.text(max_size=2_000))
def test_an_error_is_one_line_of_at_most_300_characters_without_a_control_code(words: str) -> None:
    line = str(BackendError(words))
    assert len(line) <= 300
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line)
    if len(words) < 300 and words.isprintable():
        assert line == " ".join(words.split())


ENDLESS = {
    "an event": b'data: {"choices": [',
    "a comment": b": ",
    "lines of one event": b'data: "x"\n',
    "JSON": b'{"choices": ["',
    "lines of JSON": b'{"choices": [\n',
    "a name": b"event: x",
    "text": b"x\n",
    "lines of a log": b"12:00 started\n",
}


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    ("begun", "name"),
    # What has begun as a stream, and goes on with what is none, ends by its deadline.
    [(False, name) for name in ENDLESS] + [(True, name) for name in ENDLESS if name not in ("text", "lines of a log")],
)
def test_a_body_without_an_end_is_read_up_to_a_limit(
    name: str, begun: bool, way: str, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_LONGEST", 20_000)
    monkeypatch.setattr(answer_stream, "_STRAY", 20_000)
    sent: list[int] = []
    line = ENDLESS[name]
    rest = [line] + [line * (2_000 // len(line)) if line.endswith(b"\n") else b"and no end " * 200] * 5_000
    pieces = [*(wire.stream(wire.delta(content="Half "), done=False) if begun else []), *rest]
    endpoint.on("POST", "/chat/completions", wire.answer(pieces, before=sent.append))
    made = Assistant(backend="chat", base_url=endpoint.url, model="m")
    ask = made.ask if way == "sync" else lambda prompt: asyncio.run(made.aask(prompt))
    if begun:
        reply = ask("q")
        assert (reply.finish, reply.text) == ("incomplete", "Half ")
    else:
        with pytest.raises(BackendError) as caught:
            ask("q")
        assert len(str(caught.value)) <= 300
    assert len(sent) < 4_000


def test_blank_lines_without_an_end_are_not_kept(clock: list[float]) -> None:
    stream = EventStream(Listener(), 10.0)  # type: ignore[arg-type]
    for _ in range(200):
        assert list(stream.feed(b"\r\n \t\n" * 1_000)) == []
    held = [value for value in (*vars(stream).values(), *vars(stream._reader).values()) if isinstance(value, bytes)]
    assert sum(map(len, held)) + sum(map(len, stream._reader._held)) < 10_000
    clock[0] += 11
    with pytest.raises(StreamBrokenError, match="for 10 seconds"):
        list(stream.feed(b"\n"))


LARGE = {
    "a line of a megabyte": "x" * 1_000_000,
    "many lines": "word and word again, \n" * 50_000,
    "NUL and halves of characters": "a\x00b\ud800c😀 " * 20_000,
    "a table of 2,000 rows": "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 2_000,
    "50 lists in one another": "\n".join("  " * depth + "- x" for depth in range(50)),
    "a fence that is never closed": "```python\n" + "x = 1\n" * 5_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_reply_is_whole_and_can_be_shown(name: str, endpoint: Any, wire: Any) -> None:
    said = LARGE[name]
    size = max(1_000, len(said) // 100)
    pieces = [wire.delta(content=said[at : at + size]) for at in range(0, len(said), size)]
    endpoint.on("POST", "/chat/completions", wire.answer(wire.stream(*pieces, wire.delta("stop"))))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("q")
    assert reply.finish == "completed"
    assert reply.text == said.replace("\ud800", "\ufffd")
    shown = reply._repr_mimebundle_()
    for form in ("text/plain", "text/html"):
        assert shown[form].encode()
        assert "\x00" not in shown[form]
