"""A thread as a notebook: a `%%assistant` cell for each turn, with its reply, ready to be run again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..conversation import Conversation
from ..display.static import bundle
from .turns import Turn, turns_of


def as_notebook(conversation: Conversation) -> str:
    """Return the JSON of a notebook (nbformat 4.5)."""
    cells = [_cell(0, "%load_ext nbassist", [])]
    cells += [_turn(number, turn) for number, turn in enumerate(turns_of(conversation), 1)]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _turn(number: int, turn: Turn) -> dict[str, Any]:
    output = {"output_type": "display_data", "data": bundle(turn.events), "metadata": {}}
    return _cell(number, f"%%assistant\n{turn.prompt}", [output] if turn.messages else [])


def _cell(number: int, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": hashlib.sha256(f"{number} {source}".encode()).hexdigest()[:12],
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }
