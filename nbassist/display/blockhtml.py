"""From blocks (`nbassist.display.blocks`) to HTML: whole for the static reply, by parts for the live one."""

from __future__ import annotations

from dataclasses import dataclass, field

from .blocks import Block, Splitter
from .highlight import highlight_lines, language_of
from .markdown import TABLE_CLOSE, Definitions, MathForm, Renderer, code_shell, list_open, right_to_left
from .mend import mend
from .safe import inert

_LONGEST = 60_000  # characters of one block or part; more is shown as plain text


@dataclass(slots=True)
class Cache:
    """HTML of sources that came out the same for every surface: those without math."""

    html: dict[tuple[str, str, bool], str] = field(default_factory=dict)


class BlockHtml:
    """Renders the blocks of one text.

    Parameters
    ----------
    math_form : {"mathml", "tex"}
        How math is written.
    cache : Cache, optional
        Shared between the live and the static rendering of the same reply.
    """

    def __init__(self, math_form: MathForm = "mathml", cache: Cache | None = None) -> None:
        self.definitions = Definitions()
        self._renderer = Renderer(math_form, self.definitions)
        self._cache = (cache or Cache()).html

    def shell(self, block: Block, slot: str = "") -> tuple[str, str]:
        """Return what stands before and after the parts of a block that grows; `slot` marks the element around them."""
        if block.kind == "code":
            before, _, after = code_shell("\0", language_of(block.head), slot).partition("\0")
            return before, after
        if block.kind == "table":
            head = self._safe("head", block.head).partition("<tbody>")[0].partition("</table>")[0]
            return f"{head}<tbody{slot}>\n", f"</tbody>\n{TABLE_CLOSE}"
        first = self._renderer.parse(block.head)[0][0]
        way = ' dir="auto"' if slot or right_to_left(block.body) else ""  # of items to come nothing is known
        return list_open(first).replace(">", f"{way}{slot}>", 1), f"</{first.tag}>\n"

    def parts(self, block: Block, start: int = 0) -> str:
        """Return the parts of a block from `start` on; those of code are not highlighted beyond themselves."""
        if block.kind == "plain":
            return "".join(self._safe("plain", part) for part in block.parts[start:])
        if block.kind == "code":
            return "\n".join(highlight_lines("".join(block.parts[start:]), language_of(block.head)))
        if block.kind == "table":
            return self.rows(block, "".join(block.parts[start:]))[0]
        return "".join(self.item(part, block.loose)[0] for part in block.parts[start:])

    def whole(self, block: Block) -> str:
        """Return all of a block."""
        if block.kind == "plain":
            return self.parts(block)
        before, after = self.shell(block)
        if block.kind == "table" and not block.parts:
            return before.removesuffix("<tbody>\n") + TABLE_CLOSE
        return before + self.parts(block) + after

    def open_end(self, source: str) -> str:
        """Return what is still being written, not kept."""
        return _plain(source) if len(source) > _LONGEST else self._renderer.html(source)

    def rows(self, block: Block, source: str, *, kept: bool = True) -> tuple[str, str]:
        """Return rows of a table, and the HTML of what in `source` is no row of it."""
        if not source.strip():
            return "", ""
        html = self._safe("rows", block.head + source) if kept else self._renderer.html(block.head + source)
        table, _, rest = html.partition(TABLE_CLOSE)
        return table.partition("<tbody>\n")[2].removesuffix("</table>").removesuffix("</tbody>\n"), rest

    def item(self, source: str, loose: bool) -> tuple[str, str]:
        """Return the items of a list's source, and the HTML of what in it comes after the list."""
        key = ("item", source, loose)
        if (hit := self._cache.get(key)) is not None:
            return hit, ""
        if len(source) > _LONGEST:
            return f"<li>{_plain(source)}</li>", ""
        tokens, env = self._renderer.parse(source)
        end = next((i for i, token in enumerate(tokens) if token.level == 0 and token.nesting < 0), 0)
        if not tokens or not tokens[0].type.endswith("list_open"):
            return "", self._renderer.render(tokens, env)
        for token in tokens[:end]:
            if token.level == 2 and token.type.startswith("paragraph_"):
                token.hidden = not loose
        html = self._renderer.render(tokens[1:end], env)
        rest = self._renderer.render(tokens[end + 1 :], env)
        if not rest:
            self._keep(key, source, html)
        return html, rest

    def _safe(self, kind: str, source: str) -> str:
        if len(source) > _LONGEST and kind != "rows":
            return _plain(source)
        key = (kind, source, False)
        html = self._cache.get(key)
        if html is None:
            html = self._renderer.html(source)
            self._keep(key, source, html)
        return html

    def _keep(self, key: tuple[str, str, bool], source: str, html: str) -> None:
        """Remember what can come out no differently: neither math nor references of the rest are in it."""
        if "$" not in source and "\\" not in source and "[" not in source:
            self._cache[key] = html


def _closed(text: str) -> str:
    """Return `text` with what is open at its end closed, unless that would leave something out."""
    mended = mend(text)
    return mended if mended.startswith(text) else text


def _plain(source: str) -> str:
    return f'<p style="white-space:pre-wrap">{inert(source)}</p>\n'


def markdown_html(
    text: str, math_form: MathForm = "mathml", cache: Cache | None = None, *, broken_off: bool = False
) -> str:
    """Return a whole text as safe HTML, block by block; a text that can't be rendered is shown as it is.

    Where it was `broken_off`, what is open at its end is closed, as while it was written.
    """
    try:
        splitter = Splitter()
        splitter.feed(text)
        if broken_off:
            splitter.mend(_closed)
        splitter.finish()
        html = BlockHtml(math_form, cache)
        for block in splitter.closed:
            if block.kind != "code":
                html.definitions.collect(block.head + block.body)
        return "".join(html.whole(block) for block in splitter.closed)
    except Exception:  # noqa: BLE001 - a reply must not be lost to a mistake of a parser or a lexer
        return _plain(text)
