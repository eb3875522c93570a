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

    Examples
    --------
    >>> count("a")
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


NOTED = {
    "numpy": """Delete rows.

    Parameters
    ----------
    table : str
        Its name.

    Other Parameters
    ----------------
    hard : bool
        For good.

    Warnings
    --------
    There is no way
    back: none.

    Returns
    -------
    int
        The count.

    Notes
    -----
    Slow.

    See Also
    --------
    drop
    """,
    "google": """Delete rows.

    Args:
        table: Its name.

    Keyword Args:
        hard: For good.

    Warning:
        There is no way
        back: none.

    Returns:
        The count.

    Notes:
        Slow.

    Example:
        >>> delete()
    """,
    "google, in the plural": """Delete rows.

    Args:
        table: Its name.
        hard: For good.

    Warnings:
        There is no way
        back: none.

    Raises:
        ValueError: At times.

    Notes:
        Slow.
    """,
    "rest": """Delete rows.

    :param table: Its
        name.

    :param hard: For good.

    Warning: There is no way
    back: none.

    :returns: The count.

        Of rows.

    Notes: Slow.
    """,
}


@pytest.mark.parametrize("text", NOTED.values(), ids=NOTED)
def test_notes_and_warnings_reach_the_model_and_what_is_returned_does_not(text):
    def f(): ...

    f.__doc__ = text
    found = read(f)
    said = found.description.replace("Warnings:", "Warning:")
    assert said == "Delete rows.\n\nWarning: There is no way\nback: none.\n\nNotes: Slow."
    assert found.parameters == {"table": "Its name.", "hard": "For good."}


def test_a_line_that_begins_with_a_role_is_prose():
    def f():
        """Sum.

        :func:`other` is slower.

        :param a: One.
        """

    assert read(f).description == "Sum.\n\n:func:`other` is slower."
