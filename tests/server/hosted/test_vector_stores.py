"""`/vector_stores`: stores, their files, batches, filters, expiry, search and content, by the SDK."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import openai
import pytest

from nbassist.server.hosted.stores import routes

FOODS = b"This file describes favorite foods.\n\nSummanus Ferdinand: tacos\nTekakwitha Effie: pizza\nFilip Carola: cake"


@pytest.fixture
def stores(client: openai.OpenAI) -> Any:
    return client.vector_stores


def upload(client: openai.OpenAI, name: str = "foods.txt", content: bytes = FOODS) -> str:
    return client.files.create(file=(name, content), purpose="assistants").id


def settled(stores: Any, store_id: str, until: Any) -> Any:
    return until(lambda: (found := stores.retrieve(store_id)).status == "completed" and found)


def test_an_empty_store_is_complete_at_once(http: httpx2.Client) -> None:
    made = http.post("vector_stores", json={}).json()
    assert made["status"] == "completed"
    assert made["file_counts"] == {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0}
    assert made["nbassist_search"] == "words"
    read = http.get(f"vector_stores/{made['id']}").json()
    assert read.pop("last_active_at") >= made.pop("last_active_at")  # it was just read, a second later or not
    assert read == made


def test_a_store_with_files_is_in_progress_until_they_are_read(client: openai.OpenAI, stores: Any, until: Any) -> None:
    made = stores.create(name="Foods", file_ids=[upload(client)], metadata={"a": "b"})
    assert (made.status, made.usage_bytes, made.file_counts.in_progress) == ("in_progress", 0, 1)
    done = settled(stores, made.id, until)
    assert done.file_counts.completed == done.file_counts.total == 1
    assert done.usage_bytes > 0
    assert (done.name, done.metadata) == ("Foods", {"a": "b"})


def test_a_store_ends_some_days_after_its_last_use(
    client: openai.OpenAI, stores: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = {"anchor": "last_active_at", "days": 3}
    made = stores.create(expires_after=expires, file_ids=[upload(client)])
    assert made.expires_at == made.last_active_at + 3 * 86_400
    settled(stores, made.id, until)
    later = int(time.time()) + 3 * 86_400 + 1
    monkeypatch.setattr(routes, "now", lambda: later)
    assert stores.retrieve(made.id).status == "expired"
    with pytest.raises(openai.BadRequestError, match="expired"):
        stores.search(made.id, query="cake")
    with pytest.raises(openai.BadRequestError, match="expired"):
        stores.files.create(vector_store_id=made.id, file_id=upload(client))


def test_a_store_is_changed_listed_and_deleted(stores: Any) -> None:
    made = stores.create(name="one")
    changed = stores.update(
        made.id, name="two", metadata={"k": "v"}, expires_after={"anchor": "last_active_at", "days": 1}
    )
    assert (changed.name, changed.metadata) == ("two", {"k": "v"})
    assert changed.expires_at == changed.last_active_at + 86_400
    assert made.id in [store.id for store in stores.list()]
    gone = stores.delete(made.id)
    assert (gone.object, gone.deleted) == ("vector_store.deleted", True)
    with pytest.raises(openai.NotFoundError):
        stores.retrieve(made.id)


def test_a_file_is_shown_with_the_numbers_it_is_cut_by(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    plain = stores.files.create(vector_store_id=made.id, file_id=upload(client))
    assert plain.to_dict()["chunking_strategy"] == {
        "type": "static",
        "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
    }
    static: Any = {"type": "static", "static": {"max_chunk_size_tokens": 1200, "chunk_overlap_tokens": 250}}
    other = stores.files.create(vector_store_id=made.id, file_id=upload(client), chunking_strategy=static)
    assert other.to_dict()["chunking_strategy"] == static
    wrong = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 101}}
    with pytest.raises(openai.BadRequestError, match="half"):
        stores.files.create(vector_store_id=made.id, file_id=upload(client), chunking_strategy=wrong)


def test_what_can_not_be_read_is_a_failed_file_with_its_reason(client: openai.OpenAI, stores: Any, until: Any) -> None:
    made = stores.create()
    for name, content, code in (
        ("a.bin", bytes(range(256)) * 10, "unsupported_file"),
        ("a.pdf", b"%PDF-1.7 and nothing more", "invalid_file"),
        ("a.docx", b"PK\x03\x04 and nothing more", "invalid_file"),
        ("empty.txt", b"  \n ", "invalid_file"),
    ):
        file = stores.files.create_and_poll(
            vector_store_id=made.id, file_id=upload(client, name, content), poll_interval_ms=20
        )
        assert file.status == "failed"
        assert file.last_error.code == code
        assert name in file.last_error.message
    assert settled(stores, made.id, until).file_counts.failed == 4


def test_a_search_finds_the_passage_and_says_which_file_it_is_from(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    food, other = upload(client), upload(client, "cars.txt", b"A car has four wheels and an engine.")
    for file_id in (food, other):
        stores.files.create_and_poll(vector_store_id=made.id, file_id=file_id, poll_interval_ms=20)
    [found] = stores.search(made.id, query="What is Filip's favorite food?").data
    assert (found.file_id, found.filename) == (food, "foods.txt")
    assert "cake" in found.content[0].text
    assert 0.5 < found.score <= 1
    assert stores.search(made.id, query="quantum mechanics").data == []
    both = stores.search(made.id, query=["favorite foods", "wheels of a car"], max_num_results=5)
    assert {entry.file_id for entry in both.data} == {food, other}
    few = stores.search(made.id, query="favorite xylophone zeppelin", ranking_options={"score_threshold": 0.9})
    assert few.data == []


def test_filters_over_attributes_say_which_files_are_searched(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    for year, kind in ((2020, "a"), (2021, "b"), (2022, "b")):
        file_id = upload(client, f"{year}.txt", b"The yearly report about bees.")
        attributes: Any = {"year": year, "kind": kind}
        stores.files.create_and_poll(
            vector_store_id=made.id, file_id=file_id, attributes=attributes, poll_interval_ms=20
        )

    def years(filters: Any) -> list[str]:
        return sorted(entry.filename for entry in stores.search(made.id, query="bees", filters=filters).data)

    assert years({"type": "eq", "key": "kind", "value": "b"}) == ["2021.txt", "2022.txt"]
    assert years({"type": "ne", "key": "kind", "value": "b"}) == ["2020.txt"]
    assert years({"type": "gt", "key": "year", "value": 2021}) == ["2022.txt"]
    assert years({"type": "in", "key": "year", "value": [2020, 2022]}) == ["2020.txt", "2022.txt"]
    assert years({"type": "nin", "key": "year", "value": [2020, 2022]}) == ["2021.txt"]
    both = [{"type": "eq", "key": "kind", "value": "b"}, {"type": "lte", "key": "year", "value": 2021}]
    assert years({"type": "and", "filters": both}) == ["2021.txt"]
    assert len(years({"type": "or", "filters": both})) == 3
    assert years({"type": "eq", "key": "year", "value": "2020"}) == []
    for wrong in ({"type": "like", "key": "a", "value": 1}, {"type": "and"}, {"type": "in", "key": "a", "value": 1}):
        with pytest.raises(openai.BadRequestError):
            years(wrong)


def test_attributes_are_put_in_place_of_the_old_ones_within_their_limits(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    file_id = upload(client)
    stores.files.create(vector_store_id=made.id, file_id=file_id, attributes={"a": 1})
    changed = stores.files.update(file_id, vector_store_id=made.id, attributes={"b": True, "c": "x"})
    assert changed.attributes == {"b": True, "c": "x"}
    for wrong in ({f"k{n}": 1 for n in range(17)}, {"k" * 65: 1}, {"k": "v" * 513}, {"k": [1]}):
        with pytest.raises(openai.BadRequestError):
            stores.files.update(file_id, vector_store_id=made.id, attributes=wrong)


def test_the_content_of_a_file_is_its_text_whole_however_it_was_cut(client: openai.OpenAI, stores: Any) -> None:
    lines = [f"Line {number} speaks of number {number * 7}." for number in range(400)]
    made = stores.create()
    file_id = upload(client, "long.txt", "\n".join(lines).encode())
    cut: Any = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}}
    stores.files.create_and_poll(vector_store_id=made.id, file_id=file_id, chunking_strategy=cut, poll_interval_ms=20)
    [page] = stores.files.content(file_id, vector_store_id=made.id).data
    assert page.text.split("\n") == lines


def test_a_batch_counts_its_files_and_is_paged(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    ids = [upload(client, f"{number}.txt") for number in range(5)]
    batch = stores.file_batches.create(made.id, file_ids=ids)
    assert (batch.object, batch.file_counts.total) == ("vector_store.files_batch", 5) or batch.to_dict()[
        "object"
    ] == "vector_store.file_batch"
    done = stores.file_batches.poll(batch.id, vector_store_id=made.id, poll_interval_ms=20)
    assert (done.status, done.file_counts.completed) == ("completed", 5)
    assert stores.file_batches.cancel(batch.id, vector_store_id=made.id).status == "completed"
    page = stores.file_batches.list_files(batch.id, vector_store_id=made.id, limit=3)
    assert [file.id for file in page.data] == ids[::-1][:3]
    assert len(list(page)) == 5
    assert len(list(stores.files.list(made.id, filter="completed"))) == 5
    assert list(stores.files.list(made.id, filter="failed")) == []


def test_a_cursor_may_be_what_the_filter_leaves_out(client: openai.OpenAI, stores: Any, until: Any) -> None:
    made = stores.create()
    ids = [upload(client, f"{number}.txt") for number in range(3)]
    for file_id in ids:
        stores.files.create(made.id, file_id=file_id)
    settled(stores, made.id, until)
    until(lambda: stores.retrieve(made.id).file_counts.completed == 3)
    # It was in progress when its page came, and is not any more.
    assert stores.files.list(made.id, filter="in_progress", after=ids[1]).data == []
    assert [file.id for file in stores.files.list(made.id, filter="completed", after=ids[1])] == ids[:1]
    picture = client.files.create(file=("a.png", b"x"), purpose="vision").id
    assert [file.id for file in client.files.list(purpose="assistants", after=picture)][:3] == ids[::-1]
    with pytest.raises(openai.BadRequestError, match="there is nothing with id 'file-x'"):
        client.files.list(purpose="assistants", after="file-x")


def test_what_is_wrong_with_a_body_as_a_whole_names_the_parameter(http: httpx2.Client) -> None:
    store = http.post("vector_stores", json={}).json()["id"]
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 60}}
    for path, body, param, words in (
        ("vector_stores", {"chunking_strategy": {"type": "auto"}}, "chunking_strategy", "it goes with file_ids alone"),
        (f"vector_stores/{store}/file_batches", {}, "file_ids", "give either file_ids or files"),
        (
            "vector_stores",
            {"file_ids": ["file-a"], "chunking_strategy": static},
            "chunking_strategy.static.chunk_overlap_tokens",
            "it is at most half of max_chunk_size_tokens",
        ),
    ):
        error = http.post(path, json=body).json()["error"]
        assert (error["param"], error["message"]) == (param, f"Invalid '{param}': {words}.")
    assert http.post(f"vector_stores/{store}/search", json={"query": []}).json()["error"]["param"] == "query"


@pytest.mark.since("openai", "2")  # whose SDK says it
def test_a_batch_may_cut_and_mark_each_file_in_its_own_way(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    one, two = upload(client), upload(client)
    files: Any = [{"file_id": one, "attributes": {"n": 1}}, {"file_id": two}]
    stores.file_batches.create(made.id, files=files)
    assert stores.files.retrieve(one, vector_store_id=made.id).attributes == {"n": 1}
    with pytest.raises(openai.BadRequestError, match="either"):
        stores.file_batches.create(made.id, files=files, file_ids=[one])


def test_a_file_that_leaves_a_store_is_no_longer_found_and_one_that_is_deleted_leaves_all(
    client: openai.OpenAI, stores: Any, until: Any
) -> None:
    made = stores.create(file_ids=[first := upload(client), second := upload(client)])
    settled(stores, made.id, until)
    assert len(stores.search(made.id, query="cake").data) == 2
    gone = stores.files.delete(first, vector_store_id=made.id)
    assert (gone.object, gone.deleted) == ("vector_store.file.deleted", True)
    assert client.files.retrieve(first).id == first
    assert [found.file_id for found in stores.search(made.id, query="cake").data] == [second]
    client.files.delete(second)
    assert stores.search(made.id, query="cake").data == []
    assert stores.retrieve(made.id).file_counts.total == 0


def test_what_is_not_there_is_a_404_and_what_is_wrong_a_400(client: openai.OpenAI, stores: Any) -> None:
    made = stores.create()
    for ask in (
        lambda: stores.retrieve("vs_none"),
        lambda: stores.files.create(vector_store_id=made.id, file_id="file-none"),
        lambda: stores.files.retrieve("file-none", vector_store_id=made.id),
        lambda: stores.file_batches.retrieve("vsfb_none", vector_store_id=made.id),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()
    for wrong in (
        lambda: stores.create(chunking_strategy={"type": "auto"}),
        lambda: stores.create(expires_after={"anchor": "last_active_at", "days": 366}),
        lambda: stores.search(made.id, query="a", max_num_results=51),
        lambda: stores.files.list(made.id, filter="done"),
    ):
        with pytest.raises(openai.BadRequestError):
            wrong()
