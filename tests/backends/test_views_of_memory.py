"""Pieces of a stream that are a view of memory, as a browser gives them."""

from __future__ import annotations

from nbassist.backends.http.sse import EventReader


def test_events_are_found_in_views_of_memory() -> None:
    whole = b'data: {"a": 1}\r\n\r\nevent: x\ndata: two\n\n'
    for step in (1, 3, 7, len(whole)):
        reader = EventReader()
        pieces = [memoryview(whole)[start : start + step] for start in range(0, len(whole), step)]
        found = [event for piece in pieces for event in reader.feed(piece)]
        assert [(event.name, event.data) for event in found] == [("", '{"a": 1}'), ("x", "two")], step
