"""Hostile text on every surface: what a browser would make of it is text, and what a terminal gets is text."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from corpus import PAYLOADS
from surfaces import Grid, live, pages, plain, story, streamed

from nbassist.core.html_allowlist import MATHML, SCHEMES, seal
from nbassist.display.grid.live import LiveGrid
from nbassist.display.live.painter import Painter
from nbassist.display.markdown.block_html import Cache
from nbassist.display.markdown.math import math_html, sets_type_only
from nbassist.display.static.reply import bundle
from nbassist.display.transcript import Transcript

TAGS = """html head meta title style body main h1 h2 h3 h4 h5 h6 p br hr ul ol li blockquote pre code span div strong em
b i u s small sub sup a img table thead tbody tfoot tr th td caption colgroup col details summary dl dt dd kbd samp var
mark ins del section header footer figure figcaption"""
OURS = {*TAGS.split(), *MATHML}
ATTRIBUTES = """class style href target rel title src alt start open colspan rowspan scope align valign dir display
alttext mathvariant stretchy displaystyle scriptlevel columnalign columnspacing columnlines rowlines rowspacing
linethickness fence separator lspace rspace minsize maxsize form accent accentunder width height depth voffset notation
movablelimits largeop symmetric lang charset http-equiv content name id cellpadding"""
CHUNK = 40


# What MathJax takes for mathematics in a notebook.
_MATHJAX = re.compile(r"\$.+\$|\\\(.+\\\)|\\\[.+\\\]|\\begin\{", re.DOTALL)
_BYTES = re.compile(r"data:application/octet-stream;base64,[A-Za-z0-9+/]*=*")


class Seen(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.tex: list[str] = []
        self._code = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in ("code", "pre", "style", "textarea")
        if tag not in OURS:
            self.wrong.append(f"<{tag}>")
        # Only bytes that are saved, under a name, and never opened: what an interpreter wrote.
        saved = tag == "a" and "download" in dict(attrs) and _BYTES.fullmatch(dict(attrs).get("href") or "")
        for name, value in attrs:
            if saved and name in ("href", "download"):
                continue
            if name not in ATTRIBUTES.split() and not name.startswith("data-"):
                self.wrong.append(f"<{tag} {name}>")
            if name == "href" and not (value or "").startswith("//") and urlsplit(value or "").scheme not in SCHEMES:
                self.wrong.append(f"href {value}")
            if name == "src" and not (value or "").startswith("data:image/"):
                self.wrong.append(f"src {value}")
            if name == "style" and re.search(r"url\(|image|expression|(?:^|;)position|@|\\", value or ""):
                self.wrong.append(f"style {value}")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre", "style", "textarea")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.tex += re.findall(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]|(\\begin\{.+)", data, re.DOTALL) and [
                data
            ]


def parts() -> list[list[str]]:
    return [PAYLOADS[at : at + CHUNK] for at in range(0, len(PAYLOADS), CHUNK)]


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(set(PAYLOADS)) >= 200


@pytest.mark.parametrize("part", range(len(parts())))
def test_on_every_surface_a_payload_is_text(part: int) -> None:
    seen: set[str] = set()
    for surface, html in pages(parts()[part]):
        found = Seen(html)
        assert found.wrong == [], surface
        for tex in found.tex:
            # Parts of a live page go into elements that are there, such as code; pages of ours have no script.
            if surface not in ("live", "page", "markdown"):
                assert sets_type_only(tex), (surface, tex)
        seen.add(surface.partition(",")[0])
    assert seen == {"static", "live", "midway", "grid", "history", "diff", "table", "page", "notebook", "markdown"}


@pytest.mark.parametrize("part", range(len(parts())))
def test_no_control_code_reaches_a_terminal(part: int) -> None:
    for surface, text in plain(parts()[part]):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text), surface


@pytest.mark.parametrize("part", range(len(parts())))
def test_each_message_to_a_page_is_text_that_a_kernel_can_send(part: int) -> None:
    transcript = Transcript()
    painter = Painter(transcript, Cache())
    messages: list[Any] = []
    for event in story(parts()[part]):
        transcript.apply(event)
        painter.paint()
        messages += painter.canvas.take()
    grid = LiveGrid(Grid(parts()[part]))
    grid._widget = SimpleNamespace(send=messages.append)  # type: ignore[assignment]
    for heard in ("look", "ended", "show"):
        grid._answer({"kind": heard, "from": 0, "to": CHUNK, "number": 0})
    assert len(messages) > 10
    # Labels of rows are a person's own, with whatever is in them: one lone surrogate ended the live grid.
    sent = json.dumps(messages, ensure_ascii=False).encode().decode()
    assert not re.search(r"\\u00[01][0-8bcef]", sent)


@pytest.mark.parametrize("part", range(len(parts())))
def test_what_leaves_has_been_through_the_one_place(part: int) -> None:
    """What is sealed once more is the same: nothing was put together after it."""
    for surface, html in pages(parts()[part]):
        if surface not in ("page", "markdown", "live"):
            assert seal(html) == html, surface


@given(st.lists(st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=6)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_mixtures_are_text_too(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert Seen(bundle(streamed(text))["text/html"]).wrong == []
    assert all(Seen(html).wrong == [] for _, html in live(streamed(text)))


@given(st.text("\\{}$<>a/ &;\"'()[]_^=%#~\n", max_size=60), st.sampled_from(["mathml", "tex"]))
@settings(max_examples=300, deadline=None)
def test_any_formula_is_made_of_mathml_alone(tex: str, form: str) -> None:
    found = Seen(math_html(f"\\text{{{tex}}} {tex}", False, form))  # type: ignore[arg-type]
    assert found.wrong == []


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{1}{n}\sum_{i=1}^{n}(x_i - \bar{x})^2",
        r"\hat{\beta} = (X^\top X)^{-1} X^\top y",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\begin{cases} x & \text{if } x > 0 \\ 0 & \text{else} \end{cases}",
        r"\mathbb{E}[X] \leq \operatorname{Var}(X) \blacktriangle \rightsquigarrow",
        r"\left\{ \int_0^\infty e^{-x} \, dx \right\}",
    ],
)
@pytest.mark.parametrize("form", ["mathml", "tex"])
def test_the_mathematics_that_models_write_is_still_mathematics(tex: str, form: str) -> None:
    html = math_html(tex, True, form)  # type: ignore[arg-type]
    assert "<code>" not in html
    assert "<math" in html or "$$" in html
