"""The message that the model is writing, before it stands in a conversation."""

from __future__ import annotations

from .messages import Part, Reasoning, Refusal, Text


class Draft:
    """The parts of it, in the order in which they came; the pieces of a text are joined once, at its end."""

    def __init__(self) -> None:
        self.parts: list[Part | Pieces] = []

    def add_piece(self, kind: type[Text] | type[Refusal] | type[Reasoning], text: str) -> None:
        """Take a piece of text; it goes on with the last part where that is of the same kind."""
        last = self.parts[-1] if self.parts else None
        if not (isinstance(last, Pieces) and last.kind is kind):
            last = Pieces(kind)
            self.parts.append(last)
        last.texts.append(text)

    def look(self) -> tuple[Part, ...]:
        """Return the parts as they stand."""
        return tuple(part.join() if isinstance(part, Pieces) else part for part in self.parts)

    def take(self) -> tuple[Part, ...]:
        """Return the whole parts, and begin anew."""
        parts = self.look()
        self.parts = []
        return parts


class Pieces:
    """A part whose text still comes."""

    def __init__(self, kind: type[Text] | type[Refusal] | type[Reasoning]) -> None:
        self.kind = kind
        self.texts: list[str] = []

    def join(self) -> Part:
        """Return the part as it stands."""
        return self.kind("".join(self.texts))
