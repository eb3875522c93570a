"""What the notebook's file holds of a reply while it is written: the text that came so far, and no widget.

In Jupyter's own frontends outputs and widgets share one document, so the live page needs no output of its own: it is
mounted in the place of this form (`mount.js`), and what is saved, or stands there after the kernel died, is readable.
The form is sent anew now and then; what it costs stays in proportion to what the live page costs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from .footer import FOOTER, footer_text
from .markdown import tex_again
from .safe import inert
from .static import CLOSE, OPEN, plain_of
from .transcript import Transcript

NOTE = "if nothing more comes, %assistant history shows what came"
_EVERY = 10.0  # seconds between two forms while the reply grows
_LULL = 1.5  # seconds without anything new after which one is due sooner
_APART = 4.0  # seconds between two forms at least
_SHARE = 0.25  # of the bytes that the live page was sent
_FREE = 10_000  # bytes that may be sent before that
_RICH = 16_000  # characters of a form that a frontend takes into its page in a blink; a longer one is plain text
_ENVELOPE = 700  # bytes of a message around its content


def shares_page(shell: Any) -> bool:
    """Return whether widgets and outputs stand in one document here, as in JupyterLab, Notebook and nbclassic.

    A Jupyter server names a kernel's notebook in its environment. VS Code and Colab show each output in a frame of
    its own, and make a widget's model only for an output that shows it; sessions of VS Code on a Jupyter server have
    names with ``-jvsc-``.
    """
    session = os.environ.get("JPY_SESSION_NAME", "")
    if not session or "-jvsc-" in session or "google.colab" in sys.modules:
        return False
    return "__vsc_ipynb_file__" not in (getattr(shell, "user_ns", None) or {})


def standing_bundle(html: str, transcript: Transcript, name: str) -> dict[str, str]:
    """Return the bundle of a reply that is being written.

    Parameters
    ----------
    html : str
        What came so far, safe; the bundle has it as plain text where it is long.
    transcript : Transcript
        The same, folded.
    name : str
        A class by which the live page finds its place.
    """
    opening = OPEN.replace('class="nbassist"', f'class="nbassist {name}"')
    if len(html) > _RICH:
        html = f'<p style="white-space:pre-wrap">{inert(plain_of(transcript))}</p>\n'
    note = f'<p class="nba-footer" style="{FOOTER}">{inert(footer_text(transcript))} · {NOTE}</p>\n'
    return {"text/html": f"{opening}{tex_again(html)}{note}{CLOSE}", "text/plain": f"{plain_of(transcript)} ({NOTE})"}


class Refreshes:
    """Decides when the standing form is sent anew. Times are seconds of one clock."""

    def __init__(self, now: float) -> None:
        self._last = self._heard = now
        self._credit = float(_FREE)
        self._stale = False

    def patched(self, size: int, now: float) -> None:
        """Take note that `size` bytes went to the live page."""
        self._credit += _SHARE * (size + _ENVELOPE)
        self._heard, self._stale = now, True

    def sent(self, size: int, now: float) -> None:
        """Take note that a form of `size` bytes was sent."""
        self._credit -= size
        self._last, self._stale = now, False

    def due(self, size: int, now: float) -> bool:
        """Return whether a form of a page of about `size` bytes is due."""
        if not self._stale or size > self._credit:
            return False
        since = now - self._last
        return since >= _EVERY or (since >= _APART and now - self._heard >= _LULL)

    @property
    def stale(self) -> bool:
        """Whether something came since the last one."""
        return self._stale
