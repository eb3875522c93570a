"""Without the library that cleans HTML there is no HTML: the text of a reply, escaped."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbassist.core import html_cleaner
from nbassist.core.html_cleaner import EscapedText

WITHOUT = (
    "import sys, warnings\nsys.modules['nh3'] = None\nwarnings.simplefilter('always')\n"
    "from nbassist.core.html_allowlist import seal\nfrom nbassist.display.markdown.block_html import markdown_html\n"
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("<script>alert(1)</script>said", "said"),
        ("<img src=x onerror=alert(1)>", ""),
        ("&lt;img src=x onerror=alert(1)&gt;", "&lt;img src=x onerror=alert(1)&gt;"),
        ("<tr><td>a</td><td>b</td></tr>", "\ta\tb"),
        ("<svg><p>in it</p></svg>after", "after"),
        ("a < b && c", "a &lt; b &amp;&amp; c"),
        (r"<code>$\href{x}$</code>", r"<span>$</span><span>\</span>href{x}<span>$</span>"),
        ('<section class="x" data-s="3"><p>in</p></section>', '<div data-s="3">in\n</div>'),
        ('<div data-s="3"><p onclick="x()">in', '<div data-s="3">in</div>'),
        ('<div data-s="x y">in</div>', "in"),
        ("<ul><li>1</li><li>2</li></ul>", "1\n2"),
    ],
)
def test_what_stays_is_the_text_each_block_on_its_line(html: str, text: str) -> None:
    assert EscapedText().clean(html) == (f'<div style="white-space:pre-wrap">{text}</div>' if text else "")


@given(st.text(alphabet="<>&/=$\\\\\"' abcimgsvgscriptonerror\n\t\0!-[]", max_size=60))
def test_whatever_it_gets_there_is_no_tag_in_it_but_its_own(html: str) -> None:
    cleaned = EscapedText().clean(html)
    tags = re.findall(r"<[^>]*>?", re.sub(r"<span>[$\\\\]</span>", "", cleaned))
    assert tags in ([], ['<div style="white-space:pre-wrap">', "</div>"])


@given(st.lists(st.sampled_from(['<p data-s="1">', '<td data-s="2">', "<br data-s='3'>", "</p>", "</td>", "a", "<b>"])))
def test_places_are_ended_in_the_order_they_were_begun(pieces: list[str]) -> None:
    cleaned = EscapedText().clean("".join(pieces))
    depth = 0
    for tag in re.findall(r"</?div", cleaned):
        depth += 1 if tag == "<div" else -1
        assert depth >= 0
    assert depth == 0


@given(st.text(alphabet="<>&/=$\\\\\"' abcimgsvgscriptonerror\n\t\0!-[]", max_size=60))
def test_a_second_round_changes_nothing(html: str) -> None:
    cleaned = EscapedText().clean(html)
    assert EscapedText().clean(cleaned) == cleaned, "a page goes through it more than once"


def test_a_page_without_the_library_is_its_text_and_that_is_said_once() -> None:
    code = WITHOUT + (
        "print(seal('<div class=\"nbassist\"><b>x</b><script>y</script></div>'))\n"
        "print(seal('<table><tbody><tr><td>1</td></tr></tbody></table>'))\n"
        "print(markdown_html('**bold** <img src=x onerror=alert(1)>', 'tex'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "<b>" not in done.stdout
    assert "<img" not in done.stdout
    assert "<script" not in done.stdout
    assert "bold" in done.stdout
    assert done.stderr.count("replies are shown as plain text") == 1


def test_an_end_tag_is_not_looked_for_among_all_that_are_open() -> None:
    class Counting(list[tuple[str, bool]]):
        looked = 0

        def __iter__(self) -> Iterator[tuple[str, bool]]:
            for one in super().__iter__():
                Counting.looked += 1
                yield one

    reader = html_cleaner._Reader()
    reader._open = Counting()
    reader.feed("<b>" * 100 + "x" + "</i>" * 100 + "</b>" * 100 + "<b data-s='1'>y</b>")
    reader.close()
    assert reader.written() == 'x<div data-s="1">y</div>'
    assert Counting.looked == 0
