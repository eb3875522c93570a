"""Math in markdown: what is a formula, and how it looks as MathML and as TeX for MathJax, each held to its list."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Any, Literal, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ...core.html_allowlist import MATHML, MATHML_ATTRIBUTES

_NOWHERE, _OF = "math_nowhere", "math_of"
_BARE = re.compile(r"\\begin\{((?:equation|align|gather|multline|eqnarray)\*?)\}")
_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}


def math_plugin(parser: MarkdownIt) -> None:
    """Add the rules; they push ``math_inline`` and ``math_block`` tokens, whose markup is ``$`` or ``$$``."""
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.inline.ruler.before("escape", "math_inline", _inline)


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]].rstrip()
    # Models write environments of display math bare, as LaTeX has them.
    bare = _BARE.match(first)
    closer = f"\\end{{{bare[1]}}}" if bare else _CLOSERS.get(first[:2])
    if closer is None or closer == "\\)":
        return False
    inner = first if bare else first[2:]
    if closer in inner and not (inner.endswith(closer) and inner.count(closer) == 1):
        return False  # more text on the line: the inline rule's business
    if silent:
        return True
    line, lines, closed = start, [inner], inner.endswith(closer)
    while not closed and line + 1 < end and not state.isEmpty(line + 1):
        if state.sCount[line + 1] < state.blkIndent:
            break
        line += 1
        lines.append(state.getLines(line, line + 1, state.blkIndent, False).rstrip())
        closed = lines[-1].endswith(closer)
    body = "\n".join(lines)
    state.line = line + 1
    if closed:
        token = state.push("math_block", "", 0)
        token.content, token.markup = body if bare else body[: -len(closer)].strip(), "$$"
    else:
        state.push("paragraph_open", "p", 1).map = [start, state.line]
        token = state.push("inline", "", 0)
        token.content, token.children = "", [Token("text", "", 0, content=("" if bare else first[:2]) + body)]
        state.push("paragraph_close", "p", -1)
    token.map = [start, state.line]
    return True


def _inline(state: StateInline, silent: bool) -> bool:
    opener = state.src[state.pos : state.pos + 2]
    closer = _CLOSERS.get(opener)
    if closer is None:
        if not opener.startswith("$"):
            return False
        opener = closer = "$"
    nowhere = state.env.setdefault(_NOWHERE, {})
    if state.env.get(_OF) is not state.src:
        state.env[_OF] = state.src
        nowhere.clear()
    if state.pos > nowhere.get(closer, state.posMax):
        return False  # a search from an earlier place came to the end: so would each later one
    begin = state.pos + len(opener)
    end = state.src.find(closer, begin, state.posMax)
    while end > 0 and closer[0] == "$" and state.src[end - 1] == "\\":
        end = state.src.find(closer, end + 1, state.posMax)
    if end < 0:
        nowhere[closer] = state.pos
        return False
    content = state.src[begin:end]
    if not content.strip() or "\n\n" in content:
        return False
    if opener == "$":
        after = state.src[end + 1 : end + 2]
        # "$5 and $6" is no formula.
        if content[0].isspace() or content[-1].isspace() or after.isdigit() or after == "$":
            return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content, token.markup = content.strip(), "$$" if opener in ("$$", "\\[") else "$"
    state.pos = end + len(closer)
    return True


MathForm: TypeAlias = Literal["mathml", "tex"]
LONGEST = 4_000  # characters of a formula

_VALUE = re.compile(r"[A-Za-z0-9.+\- %]{1,64}\Z")

_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([^{}]*)\}")
_ENVIRONMENT_NAMES = """
matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix cases dcases rcases array aligned align align*
alignedat split gathered gather gather* equation equation* multline multline* subarray eqnarray eqnarray*
"""
_ENVIRONMENTS = frozenset(_ENVIRONMENT_NAMES.split())
# What sets type and does nothing else. Of symbols, those that the library has a character for come on top.
_COMMAND_NAMES = """
begin end left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm frac dfrac
tfrac cfrac genfrac binom dbinom tbinom choose over atop brace brack sqrt root sum prod coprod int iint iiint
iiiint oint limits nolimits displaystyle textstyle scriptstyle scriptscriptstyle text textbf textit textrm
textsf texttt textnormal textup textmd mbox hbox emph mathbb mathbf mathcal mathfrak mathit mathnormal mathrm
mathscr mathsf mathsfit mathtt mathop mathrel mathbin mathord mathopen mathclose mathpunct mathinner boldsymbol
bm bold pmb rm bf it cal sf tt hat widehat tilde widetilde bar vec dot ddot dddot ddddot acute grave breve check
widecheck mathring overline underline overbrace underbrace overbracket underbracket overparen underparen
overrightarrow overleftarrow overleftrightarrow underrightarrow underleftarrow underleftrightarrow overset
underset stackrel substack sideset xrightarrow xleftarrow xRightarrow xLeftarrow xleftrightarrow xLeftrightarrow
xmapsto xhookrightarrow xhookleftarrow cancel bcancel xcancel boxed phantom hphantom vphantom smash strut
mathstrut operatorname operatornamewithlimits lim limsup liminf max min sup inf arg argmax argmin det dim exp
gcd hom ker lg ln log deg Pr sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth injlim projlim
plim varlimsup varliminf varinjlim varprojlim bmod pmod pod mod not bra ket braket tag notag nonumber hline cr
quad qquad enspace thinspace medspace thickspace negthinspace negmedspace negthickspace nobreakspace space alpha
beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi varpi
rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi
Psi Omega le leq ge geq ne neq lt gt ll gg approx equiv sim simeq cong propto pm mp times div cdot ast star circ
bullet cup cap subset subseteq supset supseteq in notin ni setminus emptyset varnothing forall exists nexists
neg lnot land lor wedge vee oplus otimes odot to gets mapsto implies iff rightarrow leftarrow leftrightarrow
Rightarrow Leftarrow Leftrightarrow longrightarrow longleftarrow Longrightarrow Longleftarrow uparrow downarrow
infty partial nabla hbar ell Re Im aleph angle perp parallel mid top bot langle rangle lvert rvert lVert rVert
vert Vert lceil rceil lfloor rfloor lbrace rbrace lbrack rbrack dots ldots cdots vdots ddots dotsb dotsc dotsi
dotsm dotso prime dagger ddagger top colon models vdash dashv degree square blacksquare triangle
"""
_COMMANDS = frozenset(_COMMAND_NAMES.split())


def sets_type_only(tex: str) -> bool:
    """Return whether every command and environment of a formula is one of those that only set type."""
    named = [name for name in _COMMAND.findall(tex) if name.isalpha()]
    if any(name.strip() not in _ENVIRONMENTS for name in _ENVIRONMENT.findall(tex)):
        return False
    if sum(name in ("begin", "end") for name in named) != len(_ENVIRONMENT.findall(tex)):
        return False  # the name of an environment is written in some other way
    unknown = {name for name in named if name not in _COMMANDS}
    return not unknown or unknown <= _symbols()


def apart(tex: str) -> str:
    """Return a formula in which no ``<`` stands right before what would make it a tag; TeX does not mind the space.

    What shows a formula, or the plain text of a reply, may be HTML to somebody: MathJax's manual asks for this space.
    """
    return _TAG.sub("< ", tex)


_TAG = re.compile(r"<(?=[A-Za-z/!?])")


@functools.cache
def _symbols() -> frozenset[str]:
    from latex2mathml.symbols_parser import SYMBOLS

    return frozenset(name[1:] for name in SYMBOLS if name.startswith("\\") and name[1:].isalpha())


@functools.lru_cache(maxsize=512)
def math_html(tex: str, display: bool, form: MathForm) -> str:
    """Return a formula as MathML, or as TeX between dollars; as code where it is too long, or does more than set type.

    Parameters
    ----------
    tex : str
        Without its dollars.
    display : bool
        Whether it stands on lines of its own.
    form : {"mathml", "tex"}
        How it is written.
    """
    tex = apart(tex)
    if len(tex) > LONGEST or not sets_type_only(tex):
        return f"<code>{escape(tex, quote=False)}</code>"
    if form == "tex":
        return tex_html(tex, display)
    from latex2mathml.converter import convert_to_element

    try:
        tree = convert_to_element(_as_known(tex), display="block" if display else "inline")
        inside = "".join(piece for child in tree for piece in _written(child))
    except Exception:  # noqa: BLE001 - whatever TeX it can't read is shown as it was written
        return f"<code>{escape(tex, quote=False)}</code>"
    way = "block" if display else "inline"
    return f'<math display="{way}" alttext="{escape(tex)}">{inside}</math>'


# Environments that the library takes for text, by one that it lays out alike: how it begins, and how it ends.
_COLUMN = (r"\begin{array}{c}", r"\end{array}")
_ALIKE = {
    **dict.fromkeys(("aligned", "alignedat", "align", "align*"), (r"\begin{split}", r"\end{split}")),
    **dict.fromkeys(("gathered", "gather", "gather*", "multline", "multline*"), _COLUMN),
    **dict.fromkeys(("eqnarray", "eqnarray*"), (r"\begin{array}{rcl}", r"\end{array}")),
    **dict.fromkeys(("equation", "equation*"), ("{", "}")),
    "dcases": (r"\begin{cases}", r"\end{cases}"),
    "rcases": (r"\left.\begin{array}{ll}", r"\end{array}\right\}"),
    "subarray": (r"\begin{array}", r"\end{array}"),
}
_KNOWN = re.compile(
    r"\\(?:begin\s*\{(?P<begin>[a-z]+\*?)\}(?:\s*\[[tbc]\])?(?:(?<=alignedat\})\s*\{\d+\})?|end\s*\{(?P<end>[a-z]+\*?)\})"
)


def _as_known(tex: str) -> str:
    """Return a formula in those environments that the library knows."""

    def known(found: re.Match[str]) -> str:
        name = found["begin"] or found["end"]
        begin, end = _ALIKE.get(name, (rf"\begin{{{name}}}", rf"\end{{{name}}}"))
        return begin if found["begin"] else end

    return _KNOWN.sub(known, tex) if "\\begin" in tex else tex


def tex_html(tex: str, display: bool) -> str:
    """Return a formula between dollars, for MathJax to find."""
    mark = "$$" if display else "$"
    return f'<span class="math">{mark}{escape(tex, quote=False)}{mark}</span>'


_WRITTEN = re.compile(r'<math(?P<attributes>(?: [a-z]+="[^"]*")*)>.*?</math>', re.DOTALL)
_TEX = re.compile(r' alttext="([^"]*)"')


def tex_again(html: str) -> str:
    """Return HTML with each formula that `math_html` wrote as MathML written as TeX, as the other form has it."""
    return _WRITTEN.sub(_as_tex, html) if "<math" in html else html


def _as_tex(match: re.Match[str]) -> str:
    tex = _TEX.search(match["attributes"])
    return tex_html(unescape(tex[1]) if tex else "", ' display="block"' in match["attributes"])


def _written(element: Any) -> Iterator[str]:
    """Give one element of the library's tree, with what is in it, in HTML's syntax; one that is not listed, its inside.

    The library writes characters as references, such as ``&#x2211;``, within text that it does not escape.
    """
    listed = element.tag in MATHML
    if listed:
        attributes = ((name, str(value)) for name, value in element.attrib.items())
        kept = "".join(
            f' {name}="{value}"' for name, value in attributes if name in MATHML_ATTRIBUTES and _VALUE.match(value)
        )
        yield f"<{element.tag}{kept}>"
    yield escape(unescape(element.text or ""), quote=False)
    for child in element:
        yield from _written(child)
    if listed:
        yield f"</{element.tag}>"
    yield escape(unescape(element.tail or ""), quote=False)
