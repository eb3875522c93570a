"""`/files`: purposes, names, the exact errors, expiry."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import openai
import pytest
from python_multipart.multipart import MultipartParser
from starlette.formparsers import MultiPartException

from nbassist.server.hosted.multipart import with_plain_names
from nbassist.server.store import files


def upload(http: httpx2.Client, name: str = "a.txt", content: bytes = b"words", **fields: str) -> httpx2.Response:
    return http.post("files", files={"file": (name, content)}, data={"purpose": "assistants", **fields})


def test_a_file_is_processed_at_once_and_keeps_its_name_whatever_script_it_is_in(http: httpx2.Client) -> None:
    made = upload(http, "你好.txt").json()
    assert list(made) == [
        *("object", "id", "purpose", "filename", "bytes", "created_at", "expires_at", "status", "status_details")
    ]
    assert made["filename"] == "你好.txt"
    assert (made["bytes"], made["status"], made["expires_at"]) == (5, "processed", None)


def test_a_name_that_is_encoded_as_the_standard_has_it_is_decoded(http: httpx2.Client) -> None:
    body = (
        b"--b\r\nContent-Disposition: form-data; name=purpose\r\n\r\nassistants\r\n"
        b"--b\r\nContent-Disposition: form-data; name=file; filename*=utf-8''%E4%BD%A0%E5%A5%BD.txt\r\n\r\n"
        b"Content-Disposition: form-data; name=file; filename*=utf-8''x\r\n--b--\r\n"
    )
    made = http.post("files", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}).json()
    assert made["filename"] == "你好.txt"
    assert b"filename*" in http.get(f"files/{made['id']}/content").content


def test_a_part_without_a_name_is_a_file_with_its_type_for_a_name(http: httpx2.Client) -> None:
    body = (
        b"--b\r\nContent-Disposition: form-data; name=purpose\r\n\r\nassistants\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: text/csv\r\n\r\n\xff,1\r\n--b--\r\n'
    )
    made = http.post("files", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}).json()
    assert (made["filename"], made["bytes"]) == ("text/csv", 3)


@pytest.mark.parametrize("purpose", ["fine-tune", "assistants", "batch", "user_data", "vision", "evals"])
def test_every_purpose_of_the_service_is_taken_and_can_be_listed(http: httpx2.Client, purpose: str) -> None:
    made = upload(http, purpose=purpose).json()
    assert made["id"] in [entry["id"] for entry in http.get("files", params={"purpose": purpose}).json()["data"]]


def test_another_purpose_is_refused_in_the_words_of_the_service(http: httpx2.Client) -> None:
    error = upload(http, purpose="X").json()["error"]
    assert error == {
        "message": "'X' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'",
        "type": "invalid_request_error",
        "param": "purpose",
        "code": None,
    }


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/content")])
def test_a_file_that_is_not_there_is_refused_with_both_keys(http: httpx2.Client, method: str, path: str) -> None:
    answer = http.request(method, f"files/fake_id{path}")
    message = "No such File object: fake_id"
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"message": message, "type": "invalid_request_error", "param": "id", "code": None},
        "detail": {"message": message, "code": None},
    }


def test_a_file_that_expires_says_when_and_is_gone_then(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = upload(http, **fields).json()
    assert made["expires_at"] == made["created_at"] + 3600
    later = time.time() + 3601
    monkeypatch.setattr(files.time, "time", lambda: later)  # type: ignore[attr-defined]
    until(lambda: http.get(f"files/{made['id']}").status_code == 404)
    assert made["id"] not in [entry["id"] for entry in http.get("files").json()["data"]]


@pytest.mark.parametrize(
    ("anchor", "seconds"), [("now", "3600"), ("created_at", "3599"), ("created_at", "2592001"), ("created_at", "soon")]
)
def test_an_expiry_outside_the_services_limits_is_refused(http: httpx2.Client, anchor: str, seconds: str) -> None:
    answer = upload(http, **{"expires_after[anchor]": anchor, "expires_after[seconds]": seconds})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("expires_after")


def test_the_sdk_uploads_lists_reads_and_deletes(client: openai.OpenAI) -> None:
    made = client.files.create(file=("b.md", b"# Words"), purpose="assistants")
    assert client.files.content(made.id).read() == b"# Words"
    assert client.files.retrieve(made.id).filename == "b.md"
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_a_body_of_thousands_of_parts_is_not_taken_apart(http: httpx2.Client) -> None:
    kind = "multipart/form-data; boundary=b"
    with pytest.raises(MultiPartException):
        with_plain_names(b"--b\r\n" * 1000, kind)
    assert http.post("files", content=b"--b\r\n" * 1000, headers={"Content-Type": kind}).status_code == 400
    head = b"\r\ncontent-disposition: form-data; name=file\r\n" + b"x: y\r\n" * 10_000
    assert with_plain_names(b"--b" + head + b"\r\n\r\n--b--", kind) == b"--b" + head + b"\r\n\r\n--b--"


def test_a_large_file_is_parsed_in_pieces_between_which_others_are_served(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = MultipartParser.write

    def noting(parser: MultipartParser, data: bytes) -> int:
        sizes.append(len(data))
        return write(parser, data)

    monkeypatch.setattr(MultipartParser, "write", noting)
    content = b"\r" * 3_000_000
    made = upload(http, content=content).json()
    assert http.get(f"files/{made['id']}/content").content == content
    assert max(sizes) <= 1_000_000
