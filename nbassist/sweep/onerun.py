"""`Run`: one run of a sweep, and what came of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from ..reply import Reply
from .plan import Task


@dataclass(slots=True)
class Run:
    """One run of a sweep, and what came of it.

    Parameters
    ----------
    task : Task
        What was asked.
    reply : Reply, optional
        None where nothing came, or it was not run yet.
    error : str
        Why nothing came, in one line; empty otherwise.
    first_token : float
        Seconds until the first text; 0 where there was none.
    seconds : float
        In all, waiting for its turn not included.
    rating : str
        What the person said; may be empty.
    score : float, optional
        What a judge gave it.
    reason : str
        Why, where a judge said it.
    judge_cost : float, optional
        US dollars that grading it took; 0 where it was not graded, None where that is not known.
    checks : dict of str to bool
        What was asserted of it.
    """

    task: Task
    reply: Reply | None = None
    error: str = ""
    first_token: float = 0.0
    seconds: float = 0.0
    rating: str = ""
    score: float | None = None
    reason: str = ""
    judge_cost: float | None = 0.0
    checks: dict[str, bool] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether it was run, whatever came of it."""
        return self.reply is not None or bool(self.error)

    @property
    def ok(self) -> bool:
        """Whether a whole reply came."""
        return self.reply is not None and self.reply.finish == "completed"

    @property
    def text(self) -> str:
        """The answer; empty where none came."""
        return self.reply.text if self.reply else ""

    @property
    def cached(self) -> bool:
        """Whether it was given again from a recording."""
        return bool(self.reply and self.reply.events and getattr(self.reply.events[-1], "replayed", False))

    def row(self) -> dict[str, Any]:
        """Return it as a row of `Runs.df`."""
        reply = self.reply
        usage = reply.usage if reply and reply.usage.known else None
        return {
            **self.task.variant,
            "input": self.task.input.index,
            "repeat": self.task.repeat,
            "prompt_hash": hashlib.sha256(self.task.prompt.encode()).hexdigest()[:12],
            "text": self.text,
            "finish": reply.finish if reply else ("failed" if self.error else "not run"),
            "error": self.error or (reply.detail if reply and reply.finish != "completed" else ""),
            "first_token_s": self.first_token or None,
            "total_s": self.seconds or None,
            "input_tokens": usage.input_tokens if usage else None,
            "output_tokens": usage.output_tokens if usage else None,
            "cost": reply.cost if reply else None,
            "cached": self.cached,
            "rating": self.rating or None,
            **self._verdict(),
            **{f"check_{name}": passed for name, passed in self.checks.items()},
        }

    def _verdict(self) -> dict[str, Any]:
        if self.score is None and not self.reason:
            return {}
        return {"score": self.score, "reason": self.reason, "judge_cost": self.judge_cost}
