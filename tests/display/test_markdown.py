from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import HOSTILE, MATH

from nbassist.display.blockhtml import markdown_html
from nbassist.display.highlight import highlight_lines, language_of
from nbassist.display.safe import sanitise_shown

FORBIDDEN = {"script", "img", "iframe", "style", "link", "svg", "form", "base", "object", "embed", "input", "button"}


class Auditor(HTMLParser):
    """Collects what could run, load or reach out in a piece of HTML, and whether its tags are balanced."""

    VOID = frozenset({"br", "hr", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.stack: list[str] = []
        self.feed(html)
        self.close()
        self.bad += [f"<{tag}> left open" for tag in self.stack]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.stack.append(tag)
        if tag in FORBIDDEN:
            self.bad.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in ("src", "srcset", "action", "data-s", "id"):
                self.bad.append(f"{tag} {name}")
            if name == "href" and not re.match(r"(https?|mailto):", value or ""):
                self.bad.append(f"href {value}")
            if name == "style" and re.search(r"url|(?<!list-style-)position|expression", value or ""):
                self.bad.append(f"style {value}")

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.bad.append(f"</{tag}> out of place")


@pytest.mark.parametrize("form", ["mathml", "tex"])
@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_is_shown_as_text(payload: str, form: str) -> None:
    for text in (payload, f"- {payload}", f"> {payload}", f"| a |\n|---|\n| {payload} |"):
        assert Auditor(markdown_html(text, form)).bad == []  # type: ignore[arg-type]


@given(st.lists(st.sampled_from([*HOSTILE, "```", "\n", "\n\n", "- ", "> ", "|", "$", "`", "**", "text "]), max_size=8))
@settings(max_examples=200, deadline=None)
def test_mixtures_of_hostile_text_are_shown_as_text(pieces: list[str]) -> None:
    assert Auditor(markdown_html("".join(pieces), "tex")).bad == []


def test_a_remote_image_is_a_link_that_names_its_host() -> None:
    html = markdown_html("![a cat](https://pics.example/cat.png?secret=1)")
    assert "a cat — image at pics.example" in html
    assert "<img" not in html


def test_links_open_apart_and_tell_nothing_of_the_notebook() -> None:
    html = markdown_html("[a](https://example.org)")
    assert re.search(r'<a href="https://example.org" rel="noopener noreferrer nofollow" target="_blank">a</a>', html)


def test_math_is_mathml_live_and_tex_in_the_static_form() -> None:
    live, static = markdown_html(MATH, "mathml"), markdown_html(MATH, "tex")
    assert live.count("<math") == 4
    assert "$x^2 + 1$" in static
    assert "$$\\int_0^1" in static
    assert "<math" not in static


def test_prices_are_no_math_anywhere() -> None:
    for form in ("mathml", "tex"):
        html = markdown_html("It costs $5 and $10, or \\$3.", form)  # type: ignore[arg-type]
        assert re.sub("<[^>]*>", "", html).strip() == "It costs $5 and $10, or $3."
        assert "$5 and $" not in html  # MathJax finds no pair in one stretch of text


def test_tex_that_links_or_loads_is_shown_as_code() -> None:
    for tex in ("\\href{javascript:x}{y}", "\\require{html}", "\\class{a}{b}"):
        assert f"<code>{tex}</code>" in markdown_html(f"${tex}$", "tex")


def test_code_is_highlighted_line_by_line() -> None:
    lines = highlight_lines('def f():\n    """a\n    b"""\n', "python")
    assert lines == [
        '<span class="k">def</span> <span class="nf">f</span>():',
        '    <span class="sd">"""a</span>',
        '<span class="sd">    b"""</span>',
        "",
    ]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n<>&\"'#"), max_size=80))
@settings(deadline=None)
def test_highlighted_code_without_tags_is_the_code(code: str) -> None:
    import html

    for language in ("python", "html", "json", "nonsense", ""):
        joined = "\n".join(highlight_lines(code, language))
        assert html.unescape(re.sub(r"</?span[^>]*>", "", joined)) == code


@pytest.mark.parametrize(
    ("info", "language"),
    [("python", "python"), ("Python title=x", "python"), ("{.r}", "r"), ("", ""), ("c++", "c++"), ('"><b>', "b")],
)
def test_the_language_of_a_fence(info: str, language: str) -> None:
    assert language_of(info) == language


def test_very_long_code_and_lines_come_without_colours() -> None:
    assert highlight_lines("x = '" + "a" * 6000, "python")[0].startswith("x = ")
    assert "<span" not in highlight_lines("x = 1\n" * 50_000, "python")[0]


def test_html_that_a_tool_showed_keeps_its_table_and_loses_what_runs() -> None:
    shown = sanitise_shown(
        "<style>td{}</style><table><tr><td onclick='x()' colspan=2>5</td></tr></table>"
        "<script>x()</script><img src='https://evil.example/x'><a href='javascript:x()'>y</a>"
    )
    assert shown.startswith("<table><tbody><tr><td")
    assert Auditor(shown).bad == []
    assert "td{}" not in shown


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, "[" * 20_000, "- " * 2000 + "x", ">" * 5000, "*a " * 20_000, "`" * 20_001, "$" * 20_001,
     "\n".join("  " * n + "- x" for n in range(50)), "| a |\n|---|\n" + "| 1 |\n" * 2000, "```\n" + "x\n" * 5000,
     "\\(" * 20_000, "[a](" * 5000, "![" * 5000, "<" * 20_000],
    ids=["line", "brackets", "items", "quotes", "stars", "ticks", "dollars", "nested", "table", "fence", "parens",
         "links", "images", "angles"],
)  # fmt: skip
def test_extreme_texts_are_rendered(text: str) -> None:
    assert Auditor(markdown_html(text, "tex")).bad == []
