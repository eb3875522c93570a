"""A hundred texts that are short to write and, to a careless renderer, long to show.

Each is a function from a length to a text of about that many characters. They are grown by repeating a pattern, so that
the same text can be had at any length and the cost of two lengths compared.
"""

from __future__ import annotations

import random
from collections.abc import Callable

Make = Callable[[int], str]

PROSE = """## How the orders are spread

There are **1,204 orders** in the table, which is more than the *target* of 1,000; `status` says of each what became \
of it, and the [handbook](https://example.org/handbook) says what the words mean.

| Region | Orders | Share |
|:-------|-------:|------:|
| North  |    512 | 42.5% |
| South  |    390 | 32.4% |

1. The north grew fastest, by about 18% since March.
2. Orders that are void are counted, too; leave them out with the code below.
   - so the share changes by a little
   - and the order of the regions does not

```python
def valid(orders):
    # those that were not voided
    return orders[orders["status"] != "void"].reset_index(drop=True)
```

The share is $s_r = n_r / N$, for each region $r$.

> What is not known is left out.

"""


def repeated(pattern: str, between: str = "") -> Make:
    """Return a text of `pattern`, over and over."""
    return lambda size: between.join([pattern] * (size // (len(pattern) + len(between)) + 1))[:size]


def after(head: str, pattern: str, tail: str = "") -> Make:
    """Return a text of `head`, of `pattern` over and over, and of `tail`."""
    return lambda size: head + repeated(pattern)(max(0, size - len(head) - len(tail))) + tail


def nested(opening: str, closing: str = "", share: float = 0.5) -> Make:
    """Return as many openings as fit into a share of the text, and then closings."""

    def make(size: int) -> str:
        count = max(1, int(size * share) // max(1, len(opening)))
        return (opening * count + "x" + closing * count)[:size]

    return make


def headed(head: Callable[[int], str], pattern: str) -> Make:
    """Return a head that grows with the square root of the length, and then lines."""
    return lambda size: (head(int(size**0.5)) + repeated(pattern)(size))[:size]


def stairs(mark: str, step: int) -> Make:
    """Return lines, each indented by a step more than the one before."""

    def make(size: int) -> str:
        lines, depth, total = [], 0, 0
        while total < size:
            line = " " * (step * depth) + mark + " x\n"
            lines.append(line)
            total += len(line)
            depth += 1
        return "".join(lines)[:size]

    return make


def runs(mark: str) -> Make:
    """Return runs of a mark, each one longer than the one before."""

    def make(size: int) -> str:
        pieces, total, length = [], 0, 1
        while total < size:
            piece = mark * length + " "
            pieces.append(piece)
            total += len(piece)
            length += 1
        return "".join(pieces)[:size]

    return make


def numbered(pattern: str) -> Make:
    """Return `pattern` with the numbers from 0 on in it."""

    def make(size: int) -> str:
        pieces, total, number = [], 0, 0
        while total < size:
            piece = pattern.format(n=number)
            pieces.append(piece)
            total += len(piece)
            number += 1
        return "".join(pieces)[:size]

    return make


def noise(alphabet: str, seed: int = 1) -> Make:
    """Return characters of an alphabet by chance, the same each time."""
    return lambda size: "".join(random.Random(seed).choices(alphabet, k=size))


def table(columns: Callable[[int], int]) -> Make:
    """Return a table with a number of columns that follows from the length."""

    def make(size: int) -> str:
        n = max(1, columns(size))
        head = "|a" * n + "|\n" + "|-" * n + "|\n"
        return (head + ("|x" * n + "|\n") * (size // (2 * n + 2) + 1))[:size]

    return make


QUOTES: dict[str, Make] = {
    "quotes nested": repeated(">"),
    "quotes nested with spaces": repeated("> "),
    "quotes, then lazy lines": headed(lambda n: ">" * (4 * n) + "a\n", "a\n"),
    "500 quotes, then lazy lines": lambda size: (">" * 500 + "a\n" + "a\n" * size)[:size],
    "quotes, each line deeper": lambda size: "".join(">" * n + " a\n" for n in range(1, int((2 * size) ** 0.5)))[:size],
    "100 quotes on each line": repeated(">" * 100 + " a\n"),
    "quotes with paragraphs between": repeated("> a\n\n"),
    "a quotation of short lines": repeated("> a\n"),
    "quotes and lists by turns": repeated("> - "),
    "lists and quotes by turns": repeated("- > "),
    "a quotation with a fence that never ends": after("> ```\n", "> a\n"),
    "a quotation of a table": after("> |a|b|\n> |-|-|\n", "> |1|2|\n"),
}
LISTS: dict[str, Make] = {
    "lists nested on a line": repeated("- "),
    "numbered lists nested on a line": repeated("1. "),
    "stars nested on a line": repeated("* "),
    "plus signs nested on a line": repeated("+ "),
    "lists by stairs": stairs("-", 2),
    "numbered lists by stairs": stairs("1.", 3),
    "a list of empty items": repeated("-\n"),
    "a list of short items": repeated("- a\n"),
    "a loose list of short items": repeated("- a\n\n"),
    "a list that turns loose at its end": after("", "- a\n", "\n- a\n"),
    "one item of short lines": after("- a\n", "  a\n"),
    "one item of lazy lines": after("- a\n", "a\n"),
    "one item of paragraphs": after("- a\n", "\n  a\n"),
    "deep list, then lazy lines": headed(lambda n: "- " * n + "a\n", "a\n"),
    "100 lists, then lines": lambda size: ("- " * 100 + "a\n" + "a\n" * size)[:size],
    "lists that change their mark": repeated("- a\n* a\n+ a\n"),
    "numbers that go on": numbered("{n}. a\n"),
    "tasks": repeated("- [ ] a\n"),
    "items with a fence each": repeated("- ```\n  a\n  ```\n"),
    "an item that begins with a fence without end": after("- ```\n", "  a\n"),
    "indents that go up and down": repeated("- a\n  - a\n    - a\n      - a\n  - a\n"),
    "items of spaces": repeated("- " + " " * 60 + "\n"),
}
INLINE: dict[str, Make] = {
    "open brackets": repeated("["),
    "close brackets": repeated("]"),
    "open and close brackets nested": nested("[", "]"),
    "images opened": repeated("!["),
    "links opened": repeated("[a]("),
    "links with open targets": repeated("[a](<b"),
    "links in links": nested("[", "](u)", 0.2),
    "images in images": nested("![", "](u)", 0.2),
    "links with titles that do not end": repeated('[a](b "'),
    "references that are not defined": repeated("[a][b]"),
    "brackets and colons": repeated("[a]:"),
    "stars": repeated("*"),
    "stars with letters": repeated("*a "),
    "strong by pairs": repeated("**a"),
    "stars and underscores": repeated("*a_ "),
    "stars nested": nested("*a ", " a*"),
    "triple stars": repeated("***a** "),
    "underscores": repeated("_a"),
    "tildes": repeated("~~a"),
    "tildes of two lengths": repeated("~~~a~~ "),
    "code marks": repeated("`"),
    "code marks of growing lengths": runs("`"),
    "code marks and letters": repeated("`a``"),
    "escapes": repeated("\\"),
    "escapes of stars": repeated("\\*"),
    "ampersands": repeated("&"),
    "entities": repeated("&amp;"),
    "entities that do not end": repeated("&#x41"),
    "open tags": repeated("<"),
    "tags": repeated("<a>"),
    "comments": repeated("<!--"),
    "declarations": repeated("<!A "),
    "addresses in angles": repeated("<http://a"),
    "addresses": repeated("http://a.b "),
    "hard breaks": repeated("a  \n"),
    "backslash breaks": repeated("a\\\n"),
    "emphasis and brackets": repeated("*[a_`"),
    "marks by chance": noise("*_`[]()<>!~$\\& a\n"),
    "marks of blocks by chance": noise("#->*+=|:`~ 1.\n", 2),
    "one word": repeated("a"),
    "one line of words": repeated("word "),
    "spaces": repeated(" "),
    "line ends": repeated("\n"),
    "tabs": repeated("\t"),
    "a paragraph of short lines": repeated("a\n"),
}
MATH: dict[str, Make] = {
    "dollars": repeated("$"),
    "dollars with letters": repeated("$a"),
    "prices": repeated("$5 "),
    "double dollars": repeated("$$a"),
    "double dollars on lines": repeated("$$\na\n"),
    "math that never ends": after("$$\n", "a\n"),
    "brackets of math opened": repeated("\\["),
    "parentheses of math opened": repeated("\\("),
    "short formulas": repeated("$a_1$ "),
    "distinct formulas": numbered("$a_{{{n}}}$ "),
    "a formula of groups": lambda size: "$" + nested("{", "}")(min(size, 3000)) + "$" + repeated(" a")(size - 3000),
    "fractions nested": lambda size: "$" + "\\frac{" * 300 + "a" + "}{b}" * 300 + "$\n\n" + repeated("a ")(size),
    "scripts without end": repeated("$a_b_c^d_e$ "),
    "roots": repeated("$\\sqrt{\\sqrt{\\sqrt a}}$ "),
    "matrices": repeated("$\\begin{matrix}a&b\\\\c&d\\end{matrix}$ "),
    "dollars escaped": repeated("\\$"),
}
BLOCKS: dict[str, Make] = {
    "headings": repeated("# a\n"),
    "headings with marks at the end": repeated("# a #####\n"),
    "underlined headings": repeated("a\n=\n"),
    "rules": repeated("---\n"),
    "rules of spaces": repeated("- - -\n"),
    "fences opened and closed": repeated("```\na\n```\n"),
    "a fence that never ends": after("```python\n", "x = 1\n"),
    "fences of growing lengths": runs("`" * 3),
    "code with one long line": after("```python\n", "x = [1, 2] + "),
    "code with open strings": after("```python\n", "x = 'a\n"),
    "code with open triple strings": after("```python\n", '"""a\n'),
    "code with open brackets": after("```python\n", "(((("),
    "code of JSON brackets": after("```json\n", "[{"),
    "code of C comments": after("```c\n", "/* a\n"),
    "code of HTML": after("```html\n", "<a b='c\n"),
    "code of bash": after("```bash\n", "$(( $(a `b ${c\n"),
    "code of JavaScript": after("```js\n", "/a/ `${ "),
    "code of YAML": after("```yaml\n", "a: {b: [c, \n"),
    "code of SQL": after("```sql\n", "select 'a /* \n"),
    "code of LaTeX": after("```latex\n", "\\begin{a} $x \\[\n"),
    "code of Ruby": after("```ruby\n", "<<A %q( #{ \n"),
    "code of Perl": after("```perl\n", "s{a} q( =~ m/ \n"),
    "indented code": repeated("    a\n"),
    "indented code with blanks": repeated("    a\n\n\n"),
    "a table of one column": table(lambda size: 1),
    "a table as wide as long": table(lambda size: int((size / 2) ** 0.5)),
    "a table of one row": table(lambda size: size // 6),
    "bars": repeated("|"),
    "heads of tables": repeated("|a|b|\n|-|-|\n"),
    "a table of code marks": after("|a|b|\n|-|-|\n", "|`a|b|\n"),
    "a table of formulas": after("|a|b|\n|-|-|\n", "|$a$|b|\n"),
    "definitions": numbered("[a{n}]: http://b\n"),
    "definitions with titles that do not end": repeated("[a]: b '\n"),
    "definitions, and references to them": lambda size: (
        numbered("[a{n}]: http://b\n")(size // 2) + "\n" + numbered("[a{n}] ")(size // 2)
    ),
    "paragraphs with references": numbered("[a{n}] b\n\n"),
    "footnotes": numbered("[^{n}]: a\n\n"),
    "references to footnotes": numbered("[^{n}] "),
    "footnotes, and references to them": lambda size: (
        numbered("a[^{n}]\n\n")(size // 2) + numbered("[^{n}]: a\n\n")(size // 2)
    ),
    "right to left": repeated("سفارش *ها* "),
    "lists from right to left": repeated("- سفارش\n"),
    "joined marks": repeated("a\u0301\u0323"),
    "pairs of surrogates": repeated("\U0001f600"),
    "escape sequences": repeated("\x1b[31ma"),
    "an escape sequence that never ends": after("\x1b]8;;", "a"),
    "control codes": noise("\x00\x01\x1b\x9b\x07a\r\n", 3),
    "carriage returns": repeated("a\r"),
}
TEXTS: dict[str, Make] = {**QUOTES, **LISTS, **INLINE, **MATH, **BLOCKS}


def prose(size: int) -> str:
    """Return an ordinary reply of about that length."""
    return repeated(PROSE)(size)
