"""Images and files that go with a prompt."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.messages import File, Image, Part, Text
from ..errors import UsageError
from ..tools.results.figures import bundle_of_figure, is_figure
from ..tools.results.reprs import ask, clean, cut
from ..tools.results.result import image_type
from .namespace import evaluate, is_expression, nearest

_LARGEST = 20_000_000  # bytes of one file
_TEXT = 100_000  # characters of a text file that the model gets


def attach_images(sources: Sequence[Any], namespace: Mapping[str, Any] | None = None) -> tuple[Image, ...]:
    """Return images as parts of a prompt.

    Parameters
    ----------
    sources : sequence
        Figures, images of PIL, bytes, objects that show themselves as PNG, paths; and, where there is a `namespace`,
        expressions such as ``fig`` or ``Out[3]``.
    namespace : mapping of str to object, optional
        The notebook's.

    Raises
    ------
    UsageError
        Where one is no image, with what it is.
    """
    return tuple(_image(_found(source, namespace), source) for source in sources)


def attach_files(paths: Sequence[str | Path]) -> tuple[Part, ...]:
    """Return files as parts of a prompt: text as text, images as images, all else as files.

    Raises
    ------
    UsageError
        Where one is missing, or too large.
    """
    return tuple(_file(Path(path).expanduser()) for path in paths)


def _found(source: Any, namespace: Mapping[str, Any] | None) -> Any:
    if not isinstance(source, str):
        return source
    path = Path(source).expanduser()
    if path.is_file():
        return path
    # `plots/a.png` is valid Python (a division), and so is `a.png` (an attribute): an error about undefined names would
    # hide that the file is missing.
    if namespace is None or not is_expression(source) or "/" in source:
        raise UsageError(f"there is no file {source}{nearest(source, namespace) if namespace else ''}")
    if mimetypes.guess_type(source)[0] and source.partition(".")[0] not in namespace:
        raise UsageError(f"there is no file {source}")
    return evaluate(source, namespace, f"--image {source}")


def _image(value: Any, source: Any) -> Image:
    if isinstance(value, str | Path):
        value = _bytes(Path(value).expanduser())
    if is_figure(value) or is_figure(getattr(value, "figure", None)):  # axes know their figure
        value = bundle_of_figure(value if is_figure(value) else value.figure).get("image/png", b"")
    elif not isinstance(value, bytes):
        # PIL, and whatever else shows itself in a notebook. A `_repr_png_` may give base64, as the messages of Jupyter
        # do.
        shown = ask(value, "_repr_png_")
        value = shown if isinstance(shown, bytes | str) else value
    if isinstance(value, str):
        value = base64.b64decode(value)
    kind = image_type(value) if isinstance(value, bytes) else ""
    if not kind:
        what = source if isinstance(source, str) else f"a {type(source).__name__}"
        raise UsageError(f"{what} is no image: it takes figures, images, or files of PNG, JPEG, GIF and WebP")
    return Image(kind, value)


def _file(path: Path) -> Part:
    data = _bytes(path)
    if kind := image_type(data):
        return Image(kind, data)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    # The content tells text from binary, not the suffix, which a Dockerfile lacks and .ts shares with others: a zero
    # byte in the first 8 KB, as git has it.
    if kind != "application/pdf" and b"\x00" not in data[:8192]:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return Text(f"The file {path.name}:\n{cut(clean(text), _TEXT)}\n\n", f"file {path.name}")
    return File(path.name, kind, data)


def _bytes(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise UsageError(f"{path} has {size:,} bytes: a file that goes with a prompt has at most {_LARGEST:,}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror or error}") from error
