"""Whether a refusal is about the model, and which the endpoint has in its place."""

from __future__ import annotations

from typing import Any

import pytest

from nbassist.errors import RequestRefusedError
from nbassist.run.endings import hint


class Knowing:
    """A backend that has two models."""

    name = "chat"

    def models(self) -> list[str]:
        return ["llama-small", "llama-large"]


def of(message: str, model: str, code: str = "", status: int = 404) -> str:
    backend: Any = Knowing()
    return hint(RequestRefusedError(message, status=status, code=code), backend, model)


@pytest.mark.parametrize(
    ("message", "model"),
    [
        ("The model 'lama-small' does not exist", "lama-small"),
        ('model "lama-small" not found, try pulling it first', "lama-small"),
        ("The model `lama-small` does not exist or you do not have access to it.", "lama-small"),
        ("Invalid model name passed in model=lama-small. Call `/v1/models`", "lama-small"),
        ("model lama-small not found.", "lama-small"),
    ],
)
def test_a_model_that_is_not_known_gets_the_nearest(message: str, model: str) -> None:
    assert of(message, model) == "; did you mean llama-small?"


def test_the_code_alone_says_it() -> None:
    assert of("Not here.", "lama-small", "model_not_found") == "; did you mean llama-small?"


@pytest.mark.parametrize(
    ("message", "model"),
    [
        ("Unsupported parameter: temperature", "m"),
        ("I'm afraid this model can't do that", "m"),
        ("The model llama-large-v2 takes no tools", "llama"),
        ("max_tokens is too large for this model", "large"),
        ("Unsupported parameter: 'temperature' with this model", "temp"),
    ],
)
def test_a_name_that_is_a_part_of_other_words_says_nothing(message: str, model: str) -> None:
    assert of(message, model, status=400) == ""


def test_a_model_that_is_known_is_not_what_is_wrong() -> None:
    assert of("The model 'llama-small' can't see images", "llama-small", status=400) == ""
