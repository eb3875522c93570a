"""What goes on in a run, for the status line of the live view and of the terminal."""

from __future__ import annotations

from typing import Any

from .transcript import Transcript


def status_of(transcript: Transcript) -> dict[str, Any]:
    """Return what goes on: a phase, which the style sheet knows, and its words for the person.

    While a request is about to go out again there are also `pause`, the seconds that it waits, and `retry`, which
    time it is, from one.
    """
    subject = transcript.subject
    words = {
        "waiting": f"Waiting for {transcript.model}" if transcript.model else "Waiting",
        "retrying": f"Retrying {subject}",
        "thinking": "Thinking",
        "writing": "Writing",
        "calling": f"Calling {subject}",
        "asking": f"Waiting for your answer: may {subject} run?",
        "running": f"Running {subject}",
        "ended": "Done",
    }
    status = {"phase": transcript.phase, "words": words[transcript.phase]}
    if transcript.phase == "retrying":
        return {**status, "pause": round(transcript.pause, 1), "retry": transcript.retries}
    return status
