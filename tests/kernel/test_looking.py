"""Looking at a variable changes nothing: not by `--see`, `explain`, `{{ }}`, `--see cells` or the tool `variables`."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.kernel

USED_UP = {
    "generator": "x = (n for n in range(3))",
    "map": "x = map(str, range(3))",
    "file": "open('lines.txt', 'w').write('0\\n1\\n2\\n')\nx = open('lines.txt')",
    "csv": "import csv\nx = csv.reader(['0', '1', '2'])",
    "cursor": "import sqlite3\nx = sqlite3.connect(':memory:').execute('select 0 union select 1 union select 2')",
    "class": (
        "class Rows:\n    left = 3\n    def __iter__(self): return self\n"
        "    def __next__(self):\n        if not self.left: raise StopIteration\n"
        "        self.left -= 1\n        return self.left\nx = Rows()"
    ),
}
WAYS = ["%%assistant --see x\nq", "%assistant explain x"]
WAYS += [f"%%assistant\n{{{{ x{how} }}}}" for how in ("", " | head 2", " | json", " | repr", " | markdown")]


@pytest.fixture(autouse=True)
def answered(model: Any) -> None:
    model("fine")


@pytest.mark.parametrize("made", USED_UP.values(), ids=USED_UP)
def test_nothing_is_drawn_by_a_look(kernel: Any, said: Any, made: str) -> None:
    kernel.run(made)
    for way in WAYS:
        kernel.run("%assistant new")
        assert kernel.run(way).error is None
        assert ", not read" in said()
    assert kernel.run("len(list(x))").result == "3"


def test_the_tools_of_the_notebook_look_too(kernel: Any, model: Any, told: Any) -> None:
    kernel.run("x = (n for n in range(3))\n%assistant tools add variables")
    model([("variables", {})], "fine")
    kernel.run("%%assistant\nWhat is there?")
    assert "x: generator\n  a generator, not read" in told()[-1]
    assert kernel.run("list(x)").result == "[0, 1, 2]"


def test_the_value_of_a_models_code_is_looked_at_as_a_cells_value_is(kernel: Any, model: Any, told: Any) -> None:
    kernel.run("%assistant tools add python\n%config NbAssist.approval = 'allow'")
    model([("python", {"code": "y = map(str, [1])\ny"})], "fine")
    kernel.run("%%assistant\nTry.")
    assert told()[-1] == "a map, not read"
    assert kernel.run("list(y)").result == "['1']"


LAZY = (
    "class Query:\n    computed = 0\n    def collect(self):\n        Query.computed += 1\n        return 'rows'\n"
    "    def __repr__(self): return self.collect()\n    def head(self, n): return self.collect()\n"
    "    columns, shape = ['a'], (3, 1)\n    def to_dict(self, **_): return self.collect()\nx = Query()"
)


def test_nothing_lazy_is_computed(kernel: Any, said: Any) -> None:
    kernel.run(LAZY)
    for way in WAYS:
        kernel.run("%assistant new")
        kernel.run(way)
        assert "a Query, not computed" in said()
    assert kernel.run("Query.computed").result == "0"


def test_a_lazy_table_of_dask_is_shown_by_its_columns(kernel: Any, said: Any) -> None:
    kernel.run(
        "import pandas as pd, dask.dataframe as dd\nran = []\n"
        "def note(part):\n    ran.append(1)\n    return part\n"
        "x = dd.from_pandas(pd.DataFrame({'price': [1, 2]}), npartitions=1).map_partitions(note, meta={'price': int})"
    )
    for way in WAYS:
        kernel.run("%assistant new")
        kernel.run(way)
        assert "price" in said()
    assert kernel.run("ran").result == "[]"


def test_each_variable_is_looked_at_once(kernel: Any) -> None:
    kernel.run(
        "class Counted:\n    looks = 0\n    def __repr__(self):\n        Counted.looks += 1\n        return 'counted'\n"
        "x = Counted()"
    )
    kernel.run("%%assistant --see x\nq")
    assert kernel.run("Counted.looks").result == "1"
    kernel.run("%%assistant\n{{ x }}")
    assert kernel.run("Counted.looks").result == "2"


def test_a_repr_that_takes_long_or_raises_is_named_with_its_type(kernel: Any, said: Any) -> None:
    kernel.run(
        "import time\nclass Slow:\n    def __repr__(self): time.sleep(600)\n"
        "class Bad:\n    def __repr__(self): raise ValueError('no')\nslow, bad = Slow(), Bad()"
    )
    kernel.run("%%assistant --see slow,bad\nq")
    assert "a Slow, whose repr takes longer than 2 s" in said()
    assert "Bad object, whose repr raised ValueError" in said()
    kernel.run("%%assistant\n{{ slow }}")
    assert "a Slow, whose repr takes longer than 2 s" in said()


def test_a_mapping_that_reads_what_it_gives_is_not_gone_through(kernel: Any, said: Any) -> None:
    kernel.run(
        "from collections.abc import Mapping\nclass Store(Mapping):\n    read = 0\n"
        "    def __getitem__(self, key):\n        Store.read += 1\n        return key\n"
        "    def __iter__(self): return iter('ab')\n    def __len__(self): return 2\n"
        "    def __repr__(self): return '<a store of 2>'\nx = Store()"
    )
    kernel.run("%%assistant --see x\nq")
    assert "<a store of 2>" in said()
    assert kernel.run("Store.read").result == "0"


@pytest.mark.since("ipython", "9.1")
def test_cells_are_seen_as_their_reader_sees_them(kernel: Any, said: Any) -> None:
    cells = (
        "print('printed')\n41 + 1",
        "!echo from the shell",
        "1 / 0",
        "from IPython.display import HTML, Markdown, display\ndisplay(HTML('<b>bold</b>'))\nMarkdown('*leaning*')",
        "%%bash\necho in bash",
        "x = (n for n in range(3))\nx",
    )
    for cell in cells:
        kernel.run(cell)
    kernel.run("# a word above\n%%assistant\nnot among them")
    kernel.run("%%assistant --see cells -t another\nq")
    prompt = said()
    for cell, shown in zip(
        cells,
        (
            "printed\n42",
            "from the shell",
            "ZeroDivisionError: division by zero",
            "bold\n*leaning*",
            "in bash",
            "<gener",
        ),
        strict=True,
    ):
        assert f"{cell}\nIt gave:\n{shown}" in prompt
    assert "not among them" not in prompt
    assert kernel.run("list(x)").result == "[0, 1, 2]"
