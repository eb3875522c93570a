"""Vectors beside words: an embedder of the upstream's, what it changes, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest

from nbassist.documents.terms import Coverage, fused, terms

CATS = ("cat", "feline", "purr")


def embeddings(body: dict[str, Any]) -> tuple[int, Any] | None:
    """A model of two numbers: how much a text is of cats, and how much it is not."""
    if "input" not in body:
        return None
    found = []
    for index, text in enumerate(body["input"]):
        cats = float(any(word in text.lower() for word in CATS))
        found.append({"object": "embedding", "index": index, "embedding": [cats, 1 - cats]})
    return 200, {"object": "list", "data": found[::-1], "model": body["model"], "usage": {}}


@pytest.fixture
def meaning(config: Any, run_server: Any, upstream: Any) -> Iterator[Any]:
    upstream.refusal = embeddings
    with run_server(replace(config, embeddings="embed-small")) as server:
        yield server


def store_of(client: openai.OpenAI, *texts: str) -> str:
    store = client.vector_stores.create()
    for number, text in enumerate(texts):
        file = client.files.create(file=(f"{number}.txt", text.encode()), purpose="assistants")
        client.vector_stores.files.create_and_poll(vector_store_id=store.id, file_id=file.id, poll_interval_ms=20)
    return store.id


def test_a_passage_is_found_by_its_meaning_without_a_word_in_common(meaning: Any, until: Any) -> None:
    client = meaning.client
    store_id = store_of(client, "A cat sleeps on the mat.", "The budget for next year is settled.")

    def first() -> str | None:
        found = client.vector_stores.search(store_id, query="feline animals").data
        return found[0].content[0].text if found else None

    until(lambda: first() == "A cat sleeps on the mat.")
    http = httpx2.get(f"{meaning.url}/vector_stores/{store_id}", headers={"Authorization": f"Bearer {client.api_key}"})
    assert http.json()["nbassist_search"] == "words and vectors (embed-small, the upstream)"


def test_an_embedder_that_fails_leaves_words_and_this_is_said(meaning: Any, upstream: Any, until: Any) -> None:
    upstream.refusal = lambda body: (503, {"error": {"message": "no"}}) if "input" in body else None
    client = meaning.client
    store_id = store_of(client, "A cat sleeps on the mat.")
    [found] = client.vector_stores.search(store_id, query="sleeping cat").data
    assert "cat" in found.content[0].text
    path, headers = f"{meaning.url}/vector_stores/{store_id}", {"Authorization": f"Bearer {client.api_key}"}
    said = until(lambda: (text := httpx2.get(path, headers=headers).json()["nbassist_search"]) != "words" and text)
    assert said.startswith("words (the upstream")


@pytest.mark.model
def test_the_local_engine_finds_by_meaning_and_serves_embeddings(config: Any, run_server: Any, until: Any) -> None:
    with run_server(replace(config, embeddings="local")) as server:
        client = server.client
        store_id = store_of(
            client, "The budget for next year is settled.", "A kitten sleeps on the mat.", "Rain again."
        )
        path, headers = f"{server.url}/vector_stores/{store_id}", {"Authorization": f"Bearer {client.api_key}"}

        def first() -> str | None:
            found = client.vector_stores.search(store_id, query="feline animals").data
            return found[0].content[0].text if found else None

        until(lambda: first() == "A kitten sleeps on the mat.")
        said = httpx2.get(path, headers=headers).json()["nbassist_search"]
        assert said == "words and vectors (all-minilm-l6-v2-q8_0, the local engine)"
        made = client.embeddings.create(model="any", input=["That is a happy person", "That is a very happy person"])
        one, two = (entry.embedding for entry in made.data)
    # What the model's own page gives for these two.
    assert abs(sum(a * b for a, b in zip(one, two, strict=True)) - 0.943) < 0.005


def test_without_a_model_for_them_embeddings_are_a_404_that_says_how_to_get_one(run_server: Any, config: Any) -> None:
    with run_server(config) as server, pytest.raises(openai.NotFoundError, match="nbassist model get embeddings"):
        server.client.embeddings.create(model="any", input="x")


def test_two_rankings_are_put_together_by_the_places_in_both() -> None:
    assert [item for item, _ in fused([[1, 2, 3], [3, 2, 9]])] == [3, 2, 1, 9]
    [(best, weight), *_] = fused([[7, 8], [7, 9]])
    assert (best, weight) == (7, 1.0)
    assert fused([[], []]) == []


def test_only_words_that_tell_passages_apart_count() -> None:
    assert terms("What is the capital of France, and the France of old?") == ["capital", "france", "old"]
    assert terms("What is it?") == ["what", "is", "it"]
    wanted = Coverage(terms("sleeping cats"))
    assert wanted.of("The cat sleeps.") == 1.0
    assert wanted.of("A concatenation of errors.") == 0.0
    assert wanted.of("") == Coverage([]).of("x") == 0.0
