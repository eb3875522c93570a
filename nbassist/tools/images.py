"""Images among what a tool shows, as bytes for models that see; bounded in number and size."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from ..events import ImageData, MimeBundle

_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_MOST = 4
_LARGEST = 4_000_000  # bytes of one image
_BEGINNINGS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def image_type(data: bytes) -> str:
    """Return the media type of an image's bytes; empty where they are none that is known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS if data.startswith(beginning)), "")


def images_for_model(bundles: Iterable[MimeBundle]) -> tuple[tuple[ImageData, ...], str]:
    """Return the first images of what is shown, and one line about those that are left out; empty where none is."""
    found: list[ImageData] = []
    left_out = 0
    for bundle in bundles:
        image = _image(bundle)
        if image is None:
            continue
        if len(found) < _MOST and len(image.data) <= _LARGEST:
            found.append(image)
        else:
            left_out += 1
    return tuple(found), f"[{left_out} more images, shown to the person alone]" if left_out else ""


def _image(bundle: MimeBundle) -> ImageData | None:
    for kind in _TYPES:
        content = bundle.get(kind)
        if isinstance(content, str) and content:
            try:
                return ImageData(kind, base64.b64decode(content))
            except (binascii.Error, ValueError):
                continue
    return None
