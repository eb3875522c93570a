"""The HTTP package that the `openai` package sends by, which is ours then, too: httpx2 from openai 3 on, httpx before.

The two are one interface under two names, and a client of the one can't be given to an SDK built on the other. Which
one it is can't be told from what is installed, for both may be.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2 as httpx
else:
    import openai

    # `DefaultHttpxClient` is a public name in all of its versions; its base is the package's own client.
    httpx = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])

__all__ = ["httpx"]
