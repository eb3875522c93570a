"""What a tool returned: as text for the model, and as something to look at for the person; both bounded."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..events import MimeBundle
from . import plain, tables
from .images import image_type
from .reprs import LIMIT, ask, clean, cut, own_text, short_repr


@dataclass(frozen=True)
class ToolResult:
    """What a tool returns that wants its own say over what each of the two gets.

    Parameters
    ----------
    text : str
        For the model.
    show : object, optional
        For the person, displayed as a cell would display it; None to show the text.
    images : tuple
        Figures, images of PIL or bytes of PNG, JPEG, GIF or WebP: shown to the person, and sent to a model that sees.
    """

    text: str
    show: Any = None
    images: tuple[Any, ...] = ()


def to_text(value: Any, limit: int = LIMIT) -> str:
    """Return what a model reads of a value, at most about `limit` characters.

    A string is itself; plain data, dataclasses and pydantic models are JSON, cut in a way that leaves it valid; a
    table or array is its shape, types and first rows; None is ``done, no result``; anything else is its repr. An
    object whose class has ``_repr_llm_`` says itself what it is.
    """
    return clean(_text(value, limit))


def _text(value: Any, limit: int) -> str:
    if isinstance(value, ToolResult):
        return cut(value.text, limit)
    own = own_text(value)
    if own is not None:
        return cut(own, limit)
    if value is None:
        return "done, no result"
    if isinstance(value, str):
        return cut(str(value), limit)
    if isinstance(value, bytes) and (kind := image_type(value)):
        return f"an {kind} of {len(value):,} bytes, shown to the person"
    if plain.is_plain(value):
        try:
            return plain.to_json(value, limit)
        except Exception:  # noqa: BLE001 - the object's own code, such as a property; its repr is taken instead
            return short_repr(value, limit)
    table = tables.to_text(value, limit)
    return short_repr(value, limit) if table is None else cut(table, limit)


def to_bundle(value: Any, limit: int = LIMIT) -> MimeBundle | None:
    """Return what a person without IPython sees of a value; None for None, which shows nothing."""
    if value is None:
        return None
    if isinstance(value, str):
        return {"text/plain": clean(cut(value, limit))}
    bundle: dict[str, Any] = {}
    if isinstance(value, bytes) and (kind := image_type(value)):
        bundle[kind] = value
    elif not isinstance(value, type):
        for mime, method in (
            ("text/html", "_repr_html_"),
            ("image/png", "_repr_png_"),
            ("image/svg+xml", "_repr_svg_"),
        ):
            content = ask(value, method)
            if isinstance(content, str | bytes) and content:
                bundle[mime] = content
    return {**bundle, "text/plain": clean(_text(value, limit))}


def bounded_bundle(bundle: Mapping[str, Any], most: int = 5_000_000) -> MimeBundle:
    """Keep a bundle, its bytes as base64, as the wire of Jupyter has them; only its text where it is over `most`."""
    bundle = {
        mime: base64.b64encode(content).decode("ascii") if isinstance(content, bytes) else content
        for mime, content in bundle.items()
    }
    size = sum(len(content) if isinstance(content, str) else len(repr(content)) for content in bundle.values())
    if size <= most:
        return bundle
    text = str(bundle.get("text/plain", ""))
    return {"text/plain": f"{cut(text, LIMIT)}\n[its display, {size:,} characters, is left out]".strip()}
