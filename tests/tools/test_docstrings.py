from __future__ import annotations

import subprocess
import sys

import pytest

from nbassist.tools.schema.docstrings import read

NUMPY = """Count rows.

    Also of views.

    Parameters
    ----------
    table : str
        Its name,
        as in the notebook.
    a, b : int
        Both.

    Returns
    -------
    int
        The count.

    Notes
    -----
    Slow.
    """
GOOGLE = """Count rows.

    Also of views.

    Args:
        table (str): Its name,
            as in the notebook.
        a: Both.
        b: Both.

    Returns:
        The count.
    """
REST = """Count rows.

    Also of views.

    :param table: Its name,
        as in the notebook.
    :param int a: Both.
    :param b: Both.
    :returns: The count.
    """


@pytest.mark.parametrize("text", [NUMPY, GOOGLE, REST], ids=["numpy", "google", "rest"])
def test_each_style_gives_the_same(text):
    def f(): ...

    f.__doc__ = text
    found = read(f)
    assert found.description == "Count rows.\n\nAlso of views."
    assert found.parameters == {"table": "Its name, as in the notebook.", "a": "Both.", "b": "Both."}


@pytest.mark.parametrize("text", [None, "", 3])
def test_no_docstring_is_empty(text):
    def f(): ...

    f.__doc__ = text
    assert read(f).description == ""


def test_prose_stays_whole():
    def f():
        """One line: with a colon.

        - a list
        - of two
        """

    assert read(f).description == "One line: with a colon.\n\n- a list\n- of two"


def test_a_broken_section_is_no_error():
    def f():
        """Sum.

        Args:
            no description here
        Parameters
        ----------
        """

    assert read(f).description.startswith("Sum.")


def test_griffe_is_not_imported_for_prose():
    code = (
        "import sys\nfrom nbassist.tools.schema.docstrings import read\ndef f():\n    'Just this.'\nread(f)\n"
        "print('griffe' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
