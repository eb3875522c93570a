"""Images among the results: shown to the person, sent to models that see, bounded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from nbassist.core.events import ToolFinished
from nbassist.tools import ToolResult
from nbassist.tools.results.result import image_type


def png(size: int = 2) -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (size, size)).save(drawn, "PNG")
    return drawn.getvalue()


def types(finished: ToolFinished) -> list[str]:
    return [image.media_type for image in finished.images]


def test_the_bytes_of_an_image_are_an_image(call: Callable[..., ToolFinished]) -> None:
    finished = call(png)
    assert types(finished) == ["image/png"]
    assert finished.images[0].data == png()
    assert finished.output.startswith("an image (image/png) of")
    assert "image/png" in finished.display[0]


def test_an_image_of_pil_is_sent_as_png(call: Callable[..., ToolFinished]) -> None:
    def draw() -> Any:
        return Image.new("RGB", (2, 2))

    finished = call(draw)
    assert types(finished) == ["image/png"]
    assert finished.output == "a PIL Image"


def test_a_figure_is_sent_as_png(call: Callable[..., ToolFinished]) -> None:
    figure = pytest.importorskip("matplotlib.figure")

    def draw() -> Any:
        return figure.Figure(figsize=(1, 1))

    assert types(call(draw)) == ["image/png"]


def test_a_tool_result_says_itself_which_images_are_sent(call: Callable[..., ToolFinished]) -> None:
    def both() -> ToolResult:
        return ToolResult("two", show=Image.new("RGB", (2, 2)), images=(png(3),))

    def shown_alone() -> ToolResult:
        return ToolResult("one", show=Image.new("RGB", (2, 2)))

    finished = call(both)
    assert (finished.output, len(finished.display)) == ("two", 2)
    assert [image.data for image in finished.images] == [png(3)]
    assert call(shown_alone).images == ()


def test_no_more_than_four_and_none_that_is_too_large(call: Callable[..., ToolFinished]) -> None:
    def many() -> ToolResult:
        return ToolResult("many", images=(png(), b"\x89PNG\r\n\x1a\n" + bytes(4_500_000), *[png()] * 5))

    finished = call(many)
    assert types(finished) == ["image/png"] * 4
    assert finished.output == "many\n[2 more images, shown to the person alone]"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff...", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF1234WEBPVP8", "image/webp"),
        (b"RIFF1234WAVE", ""),
        (b"", ""),
        (b"hello", ""),
    ],
)
def test_the_type_is_told_by_the_first_bytes(data: bytes, kind: str) -> None:
    assert image_type(data) == kind
