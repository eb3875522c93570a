"""Where an endpoint does not know the model that it was asked for: the nearest that it has."""

from __future__ import annotations

import re
from difflib import get_close_matches

from .backends import Backend
from .errors import NbassistError, RequestRefusedError


def hint(error: RequestRefusedError, backend: Backend | None, model: str) -> str:
    """Return what to add to `error`: the nearest model that there is; empty where that is not what is wrong."""
    if backend is None or not model or error.status not in (400, 404) or not is_about(error, model):
        return ""
    try:
        known = backend.models()
    except NbassistError:
        return ""
    if model in known:
        return ""
    near = get_close_matches(model, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]}?" if near else f"; the endpoint has {', '.join(known[:10])}"


def is_about(error: RequestRefusedError, model: str) -> bool:
    """Return whether the endpoint speaks of the model: by its code, or by the name in quotes or behind the word."""
    if error.code == "model_not_found":
        return True
    said, name = str(error), re.escape(model)
    return bool(
        re.search(rf"""(["'`]){name}\1""", said) or re.search(rf"model[ =:]+{name}(?![\w/:-])", said, re.IGNORECASE)
    )
