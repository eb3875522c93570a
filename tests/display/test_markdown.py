from __future__ import annotations

import re
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from display_samples import HOSTILE, MATH

from nbassist.display.markdown.block_html import markdown_html
from nbassist.display.markdown.highlight import highlight_lines, language_of
from nbassist.display.markdown.sanitiser import sanitise_shown

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


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("![a cat](https://pics.example/a.png)", "a cat — image at pics.example"),
        ("![](https://pics.example/a.png)", "image — image at pics.example"),
        ("![a cat](https:///a.png)", "a cat — image not shown"),
        ("![](mailto:a@b.example)", "image — image not shown"),
    ],
)
def test_an_image_without_a_host_is_no_link_and_one_without_words_is_called_an_image(written: str, shown: str) -> None:
    html = markdown_html(written)
    assert f">{shown}</" in html
    assert ("<a " in html) == ("pics.example" in written)
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


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>"),
        ("<kbd>Ctrl</kbd>+<KBD>C</KBD>", "<p><kbd>Ctrl</kbd>+<kbd>C</kbd></p>"),
        ("<mark>a **b**</mark>", "<p><mark>a <strong>b</strong></mark></p>"),
        ("one<br>two<br/>three", "<p>one<br>\ntwo<br>\nthree</p>"),
        ("<sub>open", "<p>&lt;sub&gt;open</p>"),
        ("</sub>", "<p>&lt;/sub&gt;</p>"),
        ('<b class="x">a</b>', '<p>&lt;b class="x"&gt;a&lt;/b&gt;</p>'),
        ("<u>a <i>b</i></u>", "<p><u>a <i>b</i></u></p>"),
        ("`<sub>a</sub>`", "<p><code>&lt;sub&gt;a&lt;/sub&gt;</code></p>"),
        ("Term\n: one\n: *two*", "<dl>\n<dt>Term</dt>\n<dd>one</dd>\n<dd><em>two</em></dd>\n</dl>"),
    ],
)
def test_tags_that_models_write_are_kept_by_name_and_without_attributes(text: str, html: str) -> None:
    assert re.sub(r' style="[^"]*"', "", markdown_html(text)).strip() == html


def test_details_hold_blocks_and_are_open_until_they_end() -> None:
    html = markdown_html("<details>\n<summary>More **now**</summary>\n\n- a\n\n```py\nx\n```\n</details>\n\nafter")
    html = re.sub(r' style="[^"]*"', "", html)
    assert html.startswith("<details>\n<summary>More <strong>now</strong></summary>\n<ul>")
    assert html.index("</details>") > html.index("</pre>")
    assert html.endswith("<p>after</p>\n")
    assert markdown_html("<details><summary>s</summary>\ninside").startswith('<details open="" style=')
    nested = markdown_html(
        "<details>\n<summary>a</summary>\n<details>\n<summary>b</summary>\nx\n</details>\ny\n</details>"
    )
    assert nested.count("<details ") == nested.count("</details>") == 2


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("see https://example.org/a_b?c=1.", "https://example.org/a_b?c=1", "."),
        ("(https://example.org/x)", "https://example.org/x", ")"),
        ("https://en.example.org/wiki/Tag_(a)", "https://en.example.org/wiki/Tag_(a)", ""),
        ("**https://example.org**", "https://example.org", ""),
    ],
)
def test_a_bare_address_is_a_link_without_the_marks_around_it(text: str, address: str, rest: str) -> None:
    html = markdown_html(text)
    assert f'<a href="{address}"' in html
    assert f">{address}</a>{rest}" in html


def test_an_address_in_code_or_in_a_link_is_left_as_it_is() -> None:
    assert "<a" not in markdown_html("`https://example.org` and javascript://x and http:// alone")
    assert markdown_html("[https://a.example](https://b.example)").count("<a") == 1


def test_a_picture_in_the_text_itself_is_shown_and_anything_else_under_data_is_not() -> None:
    picture = "data:image/png;base64,iVBORw0KGgo="
    assert f'<img src="{picture}" alt="p">' in markdown_html(f"![p]({picture})")
    for other in ("data:image/svg+xml;base64,AAAA", "data:text/html;base64,AAAA", "data:image/png,AAAA"):
        assert "<img" not in markdown_html(f"![p]({other})")
    assert "href" not in markdown_html(f"[p]({picture})")


def test_lines_of_a_diff_are_coloured_where_no_theme_does() -> None:
    html = markdown_html("```diff\n- a\n+ b\n```")
    assert '<span class="gd" style="background:rgba(220, 60, 60, 0.2)">- a</span>' in html
    assert '<span class="gi" style="background:rgba(40, 160, 80, 0.22)">+ b</span>' in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Done :white_check_mark: and :rocket:!", "Done ✅ and 🚀!"),
        (":+1:", "👍"),
        (":hot_pepper: :snowman:", "🌶 ☃"),
        ("**:warning:** now", "<strong>⚠️</strong> now"),
        ("a:b:c and x[1:x:2]", "a:b:c and x[1:x:2]"),
        ("at 10:30:15, std::fire::x, :no_such_thing:, :latin_small_letter_a:", None),
        ("`:rocket:`", "<code>:rocket:</code>"),
        ("::rocket::", None),
    ],
)
def test_codes_of_emoji_are_emoji_and_nothing_else_with_colons_is(text: str, shown: str | None) -> None:
    assert markdown_html(text, "tex").strip() == f"<p>{shown or text}</p>"


def test_a_code_in_a_block_of_code_or_an_address_is_left_alone() -> None:
    html = markdown_html("```\n:rocket:\n```\n\n<https://a.b/:rocket:/c> and https://a.b/x:fire:", "tex")
    assert "🚀" not in html
    assert "🔥" not in html


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("**「重要」**です", "<strong>「重要」</strong>です"),
        ("**注意：**これは", "<strong>注意：</strong>これは"),
        ("这是**“引用”**的。", "这是<strong>“引用”</strong>的。"),
        ("**한국어(Korean)**은", "<strong>한국어(Korean)</strong>은"),
        ("他说*（好）*了，~~「旧」~~新", "他说<em>（好）</em>了，<s>「旧」</s>新"),
        ("a*(b)* c", "a*(b)* c"),
    ],
)
def test_emphasis_stands_beside_marks_where_a_script_has_no_spaces(written: str, shown: str) -> None:
    assert markdown_html(written).strip() == f"<p>{shown}</p>"


ALIGNED = r"a &= b \\ c &= d"


@pytest.mark.parametrize("environment", ["aligned", "align*", "split", "eqnarray", "dcases", "rcases", "gathered"])
def test_rows_of_an_environment_are_rows_without_their_marks(environment: str) -> None:
    rows = ALIGNED.replace("&", "") if environment == "gathered" else ALIGNED
    tex = rf"\begin{{{environment}}}{rows}\end{{{environment}}}"
    html = markdown_html(f"$$\n{tex}\n$$", "mathml")
    assert html.count("<mtr>") == 2
    assert "&amp;" not in html.partition('">')[2]
    assert f'alttext="{escape(tex)}"' in html
    assert f"$${escape(tex, quote=False)}$$" in markdown_html(f"$$\n{tex}\n$$", "tex")


def test_where_an_environment_stands_and_how_many_columns_it_has_is_not_shown() -> None:
    html = markdown_html(r"$$\begin{aligned}[t]x\end{aligned} \begin{alignedat}{2}y&=1\end{alignedat}$$")
    shown = re.sub(r"<[^>]*>", "", html)
    assert shown.strip() == "xy=1"


def test_an_environment_of_display_math_needs_no_dollars() -> None:
    text = "So:\n\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}\nand on"
    live, static = markdown_html(text, "mathml"), markdown_html(text, "tex")
    assert live.count("<mtr>") == 2
    assert "<p>So:</p>" in live
    assert "<p>and on</p>" in live
    assert "$$\\begin{align}\na &amp;= b \\\\\nc &amp;= d\n\\end{align}$$" in static
    for other in ("\\begin{align}\na", "\\begin{document}\na\n\\end{document}", "see \\begin{align} a \\end{align}"):
        assert "<math" not in markdown_html(other)
        assert "begin{" in markdown_html(other)
