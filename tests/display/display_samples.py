"""Markdown that models write, and markdown that is meant to break things."""

from __future__ import annotations

PLAIN = """# Title with `code` and **bold**

A paragraph
over two lines, with a [link](https://example.org "title").
***
- one
- two

  with a paragraph
- three
    - nested 1
    - nested 2

1. first
2. second
lazy line
   ```py
   in_item = 1
   ```
* another kind

| a | b |
|---|:-:|
| 1 | 2 |
| 3 | `x\\|y` |
a row without bars
> quotation
lazy

```python
def f(x):
    '''doc

    string'''
    return x  # done
```
text right after
~~~
three tildes ``` inside
  ~~~~

    indented code

    more of it

Setext
======

- [x] done
- [ ] open

5) five
6) six

- a

- b
- ```
  only code
  ```
- # heading in item

Last ~~words~~ \\* and ![pic](https://evil.example/x.png)
"""

DEFINED = """See [the docs][d], and this[^1], and [again][D].

More text[^long].

[d]: https://example.org/docs 'Docs'

[^1]: A note.

[^long]: A longer note

    with a paragraph.

- list with [d] in it
"""

MATH = """Prices: $5 and $10, but $x^2 + 1$ and \\(y\\) are math.

$$
\\int_0^1 x^2 dx = \\frac13
$$

\\[ a = b \\]

Not closed:

$$
oops

After it.
"""

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked=1'>",
    '<img src="https://evil.example/a.png">',
    "![a](https://evil.example/b.png)",
    "![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[a](javascript:window.hacked=1)",
    "[a](JaVaScRiPt:window.hacked=1)",
    "[a](data:text/html,<script>window.hacked=1</script>)",
    "[a](vbscript:x) [b](file:///etc/passwd)",
    "<javascript:window.hacked=1>",
    "<iframe src='https://evil.example/c'></iframe>",
    "<svg onload='window.hacked=1'><style>@import 'https://evil.example/d'</style></svg>",
    "<style>@import 'https://evil.example/e'; body{display:none}</style>",
    "<link rel=stylesheet href='https://evil.example/f.css'>",
    "<form action='https://evil.example/g'><button>x</button></form>",
    "</div></div></details></summary><h1>out</h1>",
    "<details open ontoggle='window.hacked=1'><summary>x</summary></details>",
    "<math><mtext><table><mglyph><style><img src=x onerror='window.hacked=1'>",
    "$\\href{javascript:window.hacked=1}{x}$ $\\text{<img src=x onerror='window.hacked=1'>}$",
    "\\begin{equation}\\href{javascript:window.hacked=1}{x}\\end{equation}",
    '```"><img/src=x/onerror=window.hacked=1>\n</code></pre><script>window.hacked=1</script>\n```',
    "| <img src=x onerror=window.hacked=1> |\n|---|\n| <script>window.hacked=1</script> |",
    '{slot} data-s="0" [x]: https://e',
    "<a href='https://x' style='position:fixed;inset:0'>x</a>",
    "[^<img src=x onerror=window.hacked=1>]\n\n[^<img src=x onerror=window.hacked=1>]: note",
    "<base href='https://evil.example/'>",
    "\x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x1b[31mred\x1b[0m \x9b31m",
]
