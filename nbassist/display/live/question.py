"""The question whether a call may run: its form in the panel of the call, and the answer that a browser sends."""

from __future__ import annotations

import threading
from html import escape
from typing import Any

from ...core.events import ApprovalAnswered, ApprovalAsked, Decision
from ...core.html_allowlist import inert
from ...core.text import one_line
from .. import segments
from ..static.calls import editable

_DECISIONS: dict[str, Decision] = {"allowed": "allowed", "always": "always", "edited": "edited", "refused": "refused"}
_LONGEST = 4_000  # characters of a word to the model


class Question:
    """One question, asked once; `number` tells it from those before it, `problem` what was wrong with an edit.

    Attributes
    ----------
    answer : ApprovalAnswered or None
        None until a person has answered.
    """

    def __init__(self, asked: ApprovalAsked, number: int) -> None:
        self.call_id, self.number = asked.call_id, number
        self.problem, self.kind = asked.problem, asked.kind
        self.answer: ApprovalAnswered | None = None
        self._answered = threading.Event()

    def hear(self, content: dict[str, Any]) -> None:
        """Take a message of the browser; the first that answers this very question counts."""
        decision = _DECISIONS.get(str(content.get("decision")))
        # The number keeps a late click on an earlier question from answering this one.
        if decision is None or content.get("question") != self.number or self._answered.is_set():
            return
        comment = str(content.get("comment") or "")[:_LONGEST] if decision == "refused" else ""
        arguments = str(content.get("arguments") or "") if decision == "edited" else ""
        self.answer = ApprovalAnswered(self.call_id, decision, comment, arguments)
        self._answered.set()

    def wait(self) -> ApprovalAnswered | None:
        """Wait for the answer; an interrupt comes out of it."""
        while not self._answered.wait(0.1):  # in steps: not every platform interrupts a wait without an end
            pass
        return self.answer


def question_html(question: Question, call: segments.CallSegment) -> str:
    """Return the form: what is asked, the buttons, and the arguments to edit, which are not shown at first."""
    text = editable(call.arguments.text) if question.kind == "function" else call.arguments.text
    rows = min(18, text.count("\n") + 2)
    number, name = question.number, inert(call.name)
    json = ' data-json=""' if question.kind == "function" else ""
    wrong = (
        f'<p class="nba-problem">It can\'t run so: {inert(one_line(question.problem))}</p>' if question.problem else ""
    )
    edit, button = "", '<button type="button" class="nba-button{}" data-{}="{}">{}</button>'.format
    if question.kind != "approval":
        edit = (
            '<div class="nba-edit" hidden="">'
            f'<label class="nba-label" for="nba-edit-{number}">Arguments{" (JSON)" if json else ""}</label>'
            f'<textarea id="nba-edit-{number}" rows="{rows}" spellcheck="false"{json}>\n'
            f"{escape(text, quote=False)}</textarea>"
            '<p class="nba-wrong" role="alert"></p></div>'
        )
    return (
        f'<form class="nba-ask" data-question="{number}" aria-labelledby="nba-ask-{number}"'
        ' data-lm-suppress-shortcuts="true">'
        f'<p class="nba-question" id="nba-ask-{number}">May <strong>{name}</strong> run with these arguments?</p>'
        f'{wrong}{edit}<div class="nba-choices">'
        + button(" nba-primary", "answer", "allowed", "Allow")
        + button("", "answer", "always", "Always for this run")
        + (button("", "edit", "open", "Edit") if edit else "")
        + '<span class="nba-refusing">'
        + button("", "answer", "refused", "Refuse")
        + '<input type="text" class="nba-comment" aria-label="A word to the model, if you refuse"'
        f' placeholder="a word to the model, if you refuse" maxlength="{_LONGEST}"></span></div></form>'
    )
