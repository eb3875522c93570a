"""The small tables that commands give."""

from __future__ import annotations

from nbassist.magics.table import Table


def test_a_column_that_has_nothing_in_it_is_not_shown() -> None:
    table = Table(("model", "", "price"), (("small", "", "1"), ("large-one", "", "unknown")))
    assert repr(table) == "model      price\nsmall      1\nlarge-one  unknown"
    assert table._repr_html_().count("<td") == 4
    marked = Table(("model", ""), (("small", "current"), ("large", "")))
    assert repr(marked) == "model\nsmall  current\nlarge"
    assert marked._repr_html_().count("<td") == 4


def test_a_table_may_have_neither_head_nor_rows() -> None:
    assert repr(Table(("", ""), (("key", "none"),), "a note")) == "key  none\na note"
    assert "<th " in Table(("", ""), (("key", "none"),))._repr_html_()
    assert repr(Table(("", ""), (), "nothing yet")) == "nothing yet"
    assert "nothing yet" in Table(("", ""), (), "nothing yet")._repr_html_()
