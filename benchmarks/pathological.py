"""A hundred texts that are short to write and, to a careless renderer, long to show.

Each is a function from a length to a text of about that many characters.
"""

from __future__ import annotations

from text_patterns import Make, after, headed, nested, noise, numbered, repeated, runs, stairs, table

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
    "items each of its own": numbered("- a{n}\n"),
    "nested items each of its own": numbered("- a{n}\n  - b\n    - c\n"),
    "bold items each of its own": numbered("- **a{n}** `b`\n"),
    "a list whose numbers do not follow": repeated("1. a\n5. b\n"),
    "quotes each of its own": numbered("> a{n}\n\n"),
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
    "letters between stars": repeated("a*"),
    "strong words": repeated("**a** "),
    "strong in words": repeated("a**b**"),
    "strong and emphasis nested": repeated("***a*b**"),
    "links each of its own": numbered("[a](http://b.c/{n}) "),
    "links in angles": numbered("[a](<http://b/{n}>) "),
    "links of other scripts": repeated("[a](http://é中.b/ü)"),
    "images each of its own": numbered("![a](http://b.c/{n}) "),
    "addresses in angles, each of its own": numbered("<http://a.b/{n}>"),
    "mail in angles": repeated("<a@b.c>"),
    "an address with closing brackets": after("http://a", ")"),
    "tags of letters opened": repeated("<b>"),
    "tags of two kinds closed": nested("<b><i>", "</i></b>", 0.45),
    "short references": lambda size: ("[a]: http://b\n\n" + repeated("[a] ")(size))[:size],
    "collapsed references": lambda size: ("[a]: http://b\n\n" + repeated("[a][] ")(size))[:size],
    "Chinese with strong": repeated("数据**表**里"),
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
    "headings each of its own": numbered("# a{n}\n"),
    "underlined headings each of its own": numbered("a{n}\n-\n"),
    "paragraphs each of its own": numbered("a{n}\n\n"),
    "paragraphs from right to left": numbered("שלום {n}\n\n"),
    "terms each of its own": numbered("a{n}\n: b\n\n"),
    "details with a summary": numbered("<details><summary>{n}</summary>\n\na\n\n</details>\n"),
    "details nested and closed": nested("<details>\n\n", "\n\n</details>\n"),
    "details opened and text": repeated("<details>\na\n\n"),
    "languages of no kind": numbered("```l{n}\na\n```\n"),
    "code in Python, each of its own": numbered("```python\na={n}\n```\n"),
    "tables each of its own": numbered("|a{n}|\n|-|\n\n"),
    "definitions with paragraphs between": numbered("[a{n}]: http://b\n\nc\n\n"),
    "a footnote of many paragraphs": after("[^1]: a\n", "    a\n\n"),
}
TEXTS: dict[str, Make] = {**QUOTES, **LISTS, **INLINE, **MATH, **BLOCKS}


def prose(size: int) -> str:
    """Return an ordinary reply of about that length."""
    return repeated(PROSE)(size)
