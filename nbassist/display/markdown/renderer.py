"""Markdown of a model to HTML that is safe to show anywhere.

markdown-it-py parses with HTML off, so a tag in the text is text; nh3 goes over what was rendered once more. Images
become links that say where they point, since fetching one tells its host; links keep http, https and mailto only.
"""

from __future__ import annotations

import functools
import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from ...core.html_allowlist import good_link, inert, own_picture
from .bounds import Credit, bound_blocks
from .emoji_codes import emoji_codes
from .highlight import highlight_lines, language_of
from .html_tags import html_tags
from .math import MathForm, apart, math_html, math_plugin
from .quick_rules import quick_rules
from .rule_dispatch import dispatch
from .sanitiser import (
    CELLS,
    CITED,
    CODE,
    DEFINED,
    FOOTNOTE,
    HEADINGS,
    LANGUAGE,
    PRE,
    SCROLL,
    TABLE,
    TASK,
    image_placeholder,
    sanitise,
)

SOURCE = "[\ue000{}]"
"""What stands in the text for a source: a private character tells it from whatever a model writes."""
_SOURCE = re.compile(r"\[\ue000(\d+)\]")
_FOOTNOTE = re.compile(r"\[\^([^\s\]]+)\]")
# Hebrew, Arabic and their neighbours, with their presentation forms.
_RTL = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_BLOCK_TAG = re.compile(r"<(ul|ol|h[1-6]|td|th|blockquote)(?=[ >])")
_ITEM_TEXT = re.compile(r"(<li[^>]*>(?:[☑☐] )?\s*)<p dir=\"auto\"")


@dataclass(slots=True)
class Definitions:
    """What one block of a text defines for the others: link references and labels of footnotes."""

    references: dict[str, Any] = field(default_factory=dict)
    footnotes: dict[str, int] = field(default_factory=dict)
    _credit: Credit = field(default_factory=lambda: Credit(0.4))

    def __len__(self) -> int:
        return len(self.references) + len(self.footnotes)

    def collect(self, source: str) -> None:
        """Add what `source` defines; the first definition of a label stands, and of very many the first ones."""
        # Both kinds of definition have it, and few blocks do: the parse is spared.
        if "]:" not in source or not self._credit.covers(source):
            return
        env: dict[str, Any] = {}
        block_parser().parse(source, env)
        for label, target in env.get("references", {}).items():
            self.references.setdefault(label, target)
        self.footnotes.update(dict.fromkeys(env.get("footnotes", {}).get("refs", ()), -1))

    def env(self) -> dict[str, Any]:
        """Return an environment for the parser; footnotes are named by their label, so the number is no matter."""
        # What a parse adds is its own, and to copy what is known would cost each block as much as there is of it.
        refs: ChainMap[str, int] = ChainMap({}, self.footnotes)
        return {"references": ChainMap({}, self.references), "footnotes": {"refs": refs, "list": {}}}


class _Html(RendererHTML):
    """The render rules; `math_form` decides how math is written."""

    math_form: MathForm = "mathml"

    def text(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return inert(tokens[idx].content)

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        lines = highlight_lines(tokens[idx].content, language_of(tokens[idx].info))
        return code_shell("\n".join(lines), language_of(tokens[idx].info))

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return code_shell(escape(tokens[idx].content, quote=False), "")

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrs.update(rel="noopener noreferrer nofollow", target="_blank")
        return str(self.renderToken(tokens, idx, options, env))

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        alt = self.renderInlineAsText(token.children or [], options, env)
        src = str(token.attrs.get("src", ""))
        # What the text brings along itself is fetched from nowhere, and tells nobody.
        if own_picture(src):
            return f'<img src="{escape(src)}" alt="{escape(alt)}">'
        return image_placeholder(src, alt)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return TABLE_OPEN

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return TABLE_CLOSE

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<{tokens[idx].tag} style="{tokens[idx].attrs.get("style", CELLS["left"])}">'

    td_open = th_open

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tag = tokens[idx].tag  # smaller than the notebook's own headings, which a reply stands under
        return f'<{tag} style="{HEADINGS[tag]}">'

    def bullet_list_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return list_open(tokens[idx])

    ordered_list_open = bullet_list_open

    def dl_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrs["style"] = DEFINED[tokens[idx].tag]
        return str(self.renderToken(tokens, idx, options, env))

    dt_open = dd_open = details_open = summary_open = dl_open

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        checked = (tokens[idx].meta or {}).get("checked")
        if checked is None:
            return "<li>"
        return f'<li class="task-list-item" style="{TASK}">{"☑" if checked else "☐"} '

    def math_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return math_html(_numbered(tokens[idx].content), tokens[idx].markup == "$$", self.math_form)

    def math_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<p>{math_html(_numbered(tokens[idx].content), True, self.math_form)}</p>\n"

    def source_ref(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<sup class="nba-source" style="{CITED}">[{tokens[idx].content}]</sup>'

    def em_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<{tokens[idx].tag}>"  # the parser's own way to write a tag looks for attributes and line ends

    strong_open = s_open = em_open

    def em_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"</{tokens[idx].tag}>"

    strong_close = s_close = em_close

    def footnote_ref(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # As in print, and unlike a source, whose number is that of another list.
        return f"<sup>{escape(tokens[idx].meta['label'])}</sup>"

    def footnote_reference_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        label = escape(tokens[idx].meta["label"])
        return f'<div class="nba-footnote" style="{FOOTNOTE}"><sup>{label}</sup><div>'

    def footnote_reference_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</div></div>\n"


class _HtmlTex(_Html):
    math_form = "tex"


def list_open(token: Token) -> str:
    """Return the tag that opens a list; it says nothing of the items, which come later."""
    start = token.attrs.get("start")
    return f"<{token.tag}>\n" if start is None else f'<{token.tag} start="{start}">\n'


def right_to_left(text: str) -> bool:
    """Return whether there is text in `text` that runs from right to left."""
    return _RTL.search(text) is not None


def own_way(html: str) -> str:
    """Return safe HTML in which each paragraph, list and cell runs the way its own text does."""
    html = _BLOCK_TAG.sub(r'<\1 dir="auto"', html).replace("<p>", '<p dir="auto" style="text-align:start">')
    return _ITEM_TEXT.sub(r"\1<p", html)  # a list finds its way by the text of its items, where they have none set


# Where a host gives cells no room, as themes of Sphinx do, this does; its rules go before an attribute.
TABLE_OPEN = f'<div class="nba-scroll" style="{SCROLL}"><table cellpadding="5" style="{TABLE}">\n'
TABLE_CLOSE = "</table></div>\n"


def _numbered(text: str) -> str:
    """Return `text`, in which nothing is a reference, with the plain number of each source."""
    return _SOURCE.sub(r"[\1]", text) if "\ue000" in text else text


def _source_ref(state: StateInline, silent: bool) -> bool:
    """Read the reference to a source, which was put into the text."""
    match = _SOURCE.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.push("source_ref", "", 0).content = match[1]
    state.pos = match.end()
    return True


def _footnote_ref(state: StateInline, silent: bool) -> bool:
    """Read ``[^label]``: a reference where the label is defined, or is a number, whose note comes at the end."""
    match = _FOOTNOTE.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    label = match.group(1)
    # Citations of models are numbers whose notes come at the very end: a mark that turned from text into a reference
    # would change a block that is closed.
    if not label.isdigit() and f":{label}" not in state.env.get("footnotes", {}).get("refs", ()):
        return False
    if not silent:
        state.push("footnote_ref", "", 0).meta = {"label": label}
    state.pos = match.end()
    return True


def _make(renderer: type[_Html], *, extents: bool = False) -> MarkdownIt:
    # With HTML off a tag is text. It is the first of three hurdles; `sanitise` and `seal` are the others.
    parser = MarkdownIt("commonmark", {"html": False, "tasklists": True}, renderer_cls=renderer)
    parser.enable(["table", "strikethrough"])
    parser.use(footnote_plugin).use(math_plugin)
    html_tags(parser)
    parser.core.ruler.push("emoji_codes", emoji_codes)
    # Notes stay where they are written: blocks are rendered apart, so none knows which is the last.
    parser.disable(["footnote_inline", "footnote_tail"])
    parser.inline.ruler.at("footnote_ref", _footnote_ref)  # in the place of the plugin's
    parser.inline.ruler.before("link", "source_ref", _source_ref)  # what follows in parentheses is no link's address
    parser.add_render_rule("footnote_ref", renderer.footnote_ref)
    # Links and images go through the one check; the sanitiser holds a link to its schemes.
    parser.validateLink = lambda url: good_link(url) or own_picture(url)  # type: ignore[method-assign]
    bound_blocks(parser, extents=extents)
    quick_rules(parser)
    dispatch(parser)
    return parser


@functools.cache
def _parser(math_form: MathForm) -> MarkdownIt:
    return _make(_Html if math_form == "mathml" else _HtmlTex)


@functools.cache
def block_parser() -> MarkdownIt:
    """Return a parser that finds blocks only: fast, and enough to split a text."""
    return _make(_Html, extents=True).disable(["inline", "text_join"])


def code_shell(lines: str, language: str, slot: str = "") -> str:
    """Return a block of code around `lines` of HTML; `slot` is an attribute for the element that holds them."""
    name = f'<div class="nba-lang" style="{LANGUAGE}">{escape(language)}</div>' if language else ""
    before = f'<div class="highlight" style="{CODE}">{name}<pre style="{PRE}"{slot}>'
    first = "\n" if lines.startswith("\n") else ""  # HTML drops one line end after this tag
    return f"{before}{first}{lines}</pre></div>\n"


def with_formulas_apart(text: str) -> str:
    """Return markdown as it is, but for what looks like a tag inside of its formulas; see `mathml.apart`."""
    if apart(text) == text or not ("$" in text or "\\(" in text or "\\[" in text) or not Credit().covers(text):
        return text
    pending = list(Renderer("tex").parse(text)[0])
    while pending:
        token = pending.pop()
        pending += token.children or []
        if token.type.startswith("math_"):
            for line in token.content.split("\n"):
                text = text.replace(line, apart(line))
    return text


class Renderer:
    """Renders blocks of one text; `definitions` may grow while it is written."""

    def __init__(self, math_form: MathForm = "mathml", definitions: Definitions | None = None) -> None:
        self.math_form = math_form
        self.definitions = definitions if definitions is not None else Definitions()
        self._parser = _parser(math_form)

    def html(self, source: str) -> str:
        """Return `source` as safe HTML."""
        tokens, env = self.parse(source)
        return self.render(tokens, env)

    def parse(self, source: str) -> tuple[list[Token], Mapping[str, Any]]:
        """Return the tokens of `source`, with what the rest of the text defines."""
        env = self.definitions.env()
        return self._parser.parse(source, env), env

    def render(self, tokens: Sequence[Token], env: Mapping[str, Any]) -> str:
        """Return `tokens` as safe HTML."""
        html = sanitise(self._parser.renderer.render(tokens, self._parser.options, dict(env)))
        return own_way(html) if right_to_left(html) else html
