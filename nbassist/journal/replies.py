"""Recorded replies in a file beside a notebook: text that can be read, compared and kept under version control."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..core.files import put_in_place
from ..errors import JournalError
from .event_codec import Timed, from_json, to_json


class ReplyFile:
    """Replies by the keys of their requests, one on each line.

    Parameters
    ----------
    path : Path
        The file; it is made with the first reply that is kept.

    Raises
    ------
    JournalError
        Where it is no such file.
    """

    anywhere = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[str, dict[str, Any]] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            for line in filter(str.strip, lines):
                item = json.loads(line)
                self._replies[item["key"]] = item
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{path} holds no recorded replies: {error}") from error

    def __len__(self) -> int:
        return sum("events" in item for item in self._replies.values())

    def reply(self, key: str) -> tuple[Timed, ...] | None:
        """Return what came for a request; None where nothing was recorded."""
        found = self._replies.get(key)
        try:
            return from_json(found["events"]) if found else None
        except ValueError as error:
            raise JournalError(f"{self.path} is damaged: {error}") from error

    def known_replies(self, keys: list[str]) -> set[str]:
        """Return those of `keys` for which a reply is recorded."""
        return {key for key in keys if key in self._replies}

    def keep_rating(self, key: str, rating: str) -> None:
        """Say of a reply what it was worth; an empty rating takes it back.

        Raises
        ------
        JournalError
            Where it can't be written.
        """
        name = f"rating:{key}"
        if rating:
            self._replies[name] = {"key": name, "rating": rating}
        else:
            self._replies.pop(name, None)
        self._write()

    def kept_ratings(self, keys: list[str]) -> dict[str, str]:
        """Return what was said of replies, by their keys; of those alone of which anything was."""
        found = {key: self._replies.get(f"rating:{key}") for key in keys}
        return {key: str(one["rating"]) for key, one in found.items() if one}

    def keep_reply(self, key: str, timed: tuple[Timed, ...]) -> None:
        """Write a reply; the file is whole at any time.

        Raises
        ------
        JournalError
            Where it can't be written.
        """
        # A reply that is recorded anew keeps its line, so that version control shows what changed and no more.
        self._replies[key] = {"key": key, "events": to_json(timed)}
        self._write()

    def _write(self) -> None:
        draft = self.path.with_name(self.path.name + ".new")
        try:
            lines = (json.dumps(item, ensure_ascii=False) for item in self._replies.values())
            draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            put_in_place(draft, self.path)
        except OSError as error:
            raise JournalError(f"{self.path} can't be written: {error.strerror or error}") from error
