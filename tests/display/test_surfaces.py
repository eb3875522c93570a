"""The saved reply on surfaces that have no style and no script: GitHub, markdown exports, other renderers' rules."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import nh3
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))
from display_samples import HOSTILE
from scripted import conversation, hostile, services

from nbassist.core import events
from nbassist.display.static.reply import bundle

TASKS = int(version("markdown-it-py").partition(".")[0]) >= 4

Run = Callable[..., list[events.Event]]
# What GitHub keeps of HTML in a notebook, from its documented sanitisation: no style, no class, no script.
_TAGS = """h1 h2 h3 h4 h5 h6 br b i strong em a pre code img div ins del sup sub p ol ul table thead tbody tfoot span
blockquote dl dt dd kbd q samp var hr li tr td th s summary details caption figure figcaption"""
KEPT = set(_TAGS.split())
GITHUB = nh3.Cleaner(
    tags=KEPT,
    attributes={"a": {"href"}, "img": {"src", "alt"}, "details": {"open"}, "ol": {"start"}, "*": {"align", "dir"}},
    url_schemes={"http", "https", "mailto", "data"},
)


class Words(HTMLParser):
    """The text of a page, a line for each block, as a reader without styles sees it."""

    BLOCKS = frozenset({"p", "div", "li", "tr", "pre", "h1", "h2", "h3", "summary", "details", "br", "table"})
    in_pre = False

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.in_pre = self.in_pre or tag == "pre"
        self.text += "\n" if tag in self.BLOCKS else "\t" if tag in ("td", "th") else ""

    def handle_endtag(self, tag: str) -> None:
        self.in_pre = self.in_pre and tag != "pre"
        self.text += "\n" if tag in self.BLOCKS else ""

    def handle_data(self, data: str) -> None:
        self.text += data if self.in_pre else data.replace("\n", " ")

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.text.splitlines() if line.strip()]


def test_without_style_and_script_as_on_github_it_reads_well() -> None:
    html = GITHUB.clean(bundle(conversation())["text/html"])
    assert "style" not in html
    assert "class" not in html
    lines = Words(html).lines
    for line in (
        '✓ row_count table="orders" · → 1204 · 21 ms',
        '✕ describe table="ordres", columns=["region", "status"] · → KeyError: \'ordres\' · 4 ms',
        "Arguments",
        'table: "orders"',
        "How they are spread",
        "North 512 42.5%",
        "def valid(orders: pd.DataFrame) -> pd.DataFrame:",
        f"{'☑' if TASKS else '[x]'} count the orders",
        "Sources",
        "qwen2.5-coder-1.5b · 14.2 s · 1,180 tokens in (640 cached), 412 out · 3 turns",
    ):
        assert line in lines, lines
    assert "<details>" in html
    services_lines = Words(GITHUB.clean(bundle(services())["text/html"])).lines
    assert "North leads[1]. A map — image at maps.example" in services_lines


def test_a_stream_that_ended_without_a_word_may_be_cut_and_says_so(run: Run) -> None:
    both = bundle([*run()[:-1], events.RunEnded("completed", detail="possibly cut short")])
    assert "possibly cut short" in Words(both["text/html"]).lines
    assert "\n\npossibly cut short\n\n" in both["text/plain"]


def test_the_markdown_export_keeps_the_words_and_its_panels() -> None:
    nbformat, nbconvert = import_module("nbformat"), import_module("nbconvert")
    output = nbformat.v4.new_output("display_data", data=bundle(conversation()))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%%assistant\nhow many?", outputs=[output])])
    markdown, _ = nbconvert.MarkdownExporter().from_notebook_node(notebook)
    inside = markdown[markdown.index('<div class="nbassist"') : markdown.rindex("</div>")]
    assert "row_count" in Words(inside).text
    assert inside.count("<details") == 3


ALLOWED = KEPT | {"u", "small", "mark", "section", "header", "footer", "colgroup", "col"}


@pytest.mark.parametrize(
    "story", [conversation, services, lambda: hostile(HOSTILE)], ids=["reply", "services", "hostile"]
)
def test_the_static_reply_holds_nothing_that_a_renderer_would_run_or_load(story: Callable[[], object]) -> None:
    """VS Code renders `text/html` in a sandboxed frame with the scripts in it: there are none, and nothing to load."""
    html = bundle(story())["text/html"]  # type: ignore[arg-type]
    assert set(re.findall(r"</?([a-zA-Z][^\s>/]*)", html)) <= ALLOWED
    for attribute in ("src", "srcset", "action", "formaction", "poster", "background", "xlink:href"):
        for value in re.findall(rf'<[^<>]*\s{attribute}="([^"]*)"', html):
            assert value.startswith("data:image/"), value
    assert not re.search(r"<[^<>]*\son[a-z]+=", html)
    assert "url(" not in "".join(re.findall(r'style="([^"]*)"', html))
    assert not re.search(r"var\(--[a-z0-9-]+\)", html), (
        "a variable of one frontend is none of another: each has a fallback"
    )
