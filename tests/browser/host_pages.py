"""A notebook of replies as the sites of others show it: each builds a page of it, as its users do."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery
import nbformat
import nh3

from nbassist import Assistant
from nbassist.display.grid.grid import grid_bundle
from nbassist.display.static.reply import bundle
from nbassist.sweep import Sweep
from nbassist.sweep.run_grid import RunsGrid

BESIDE = Path(sys.executable).parent.parent / "beside" / "pages" / "bin"
"""Where the builders of others are installed, by `make pages`; none is a dependency of ours."""


def outputs() -> dict[str, dict[str, str]]:
    """Give the bundle of each state of a reply, and of a grid, by its name."""
    from sweeping import Model

    rows = ["Review 1: it came", "Review 2: it broke", "boom"]
    sweep = Sweep(Assistant(backend=Model()), "Rate {{ item }}", vary={"temperature": [0, 1]}, over=rows)  # type: ignore[arg-type]
    runs = sweep.run().check("'ositive' in text")
    runs.rate(0, "good")
    found = {name: bundle(events) for name, events in gallery.ended().items()}
    return {**found, "grid": grid_bundle(RunsGrid(runs))}


def notebook(path: Path, title: str = "Replies") -> Path:
    """Write a notebook that has them as its outputs."""
    first = nbformat.v4.new_raw_cell(
        f"{title}\n{'=' * len(title)}\n", metadata={"raw_mimetype": "text/restructuredtext"}
    )
    cells = [first if title else nbformat.v4.new_code_cell("")]
    for name, data in outputs().items():
        output = nbformat.v4.new_output("display_data", data=data)
        cells.append(nbformat.v4.new_code_cell(f"%%assistant\n{name}", outputs=[output], execution_count=1))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def run(*command: str | Path, cwd: Path) -> None:
    """Run a builder; what it says is what a failure shows."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def material(folder: Path) -> Path:
    """Build a site of MkDocs with the theme Material, which has the outputs in its pages, as ours does."""
    (folder / "docs").mkdir()
    shown = "\n\n".join(f'<p class="state">{name}</p>\n{data["text/html"]}' for name, data in outputs().items())
    (folder / "docs" / "index.md").write_text("# Replies\n\nNBOUTPUT\n", encoding="utf-8")
    (folder / "put.py").write_text(
        f"def on_page_content(html, page, config, files):\n    return html.replace('<p>NBOUTPUT</p>', {shown!r})\n"
    )
    (folder / "mkdocs.yml").write_text(
        textwrap.dedent("""\
            site_name: replies
            hooks: [put.py]
            theme:
              name: material
              font: false
              palette:
                - {media: "(prefers-color-scheme: light)", scheme: default}
                - {media: "(prefers-color-scheme: dark)", scheme: slate}
        """)
    )
    run(sys.executable, "-m", "mkdocs", "build", "-q", "--no-directory-urls", cwd=folder)
    return folder / "site" / "index.html"


def mkdocs_jupyter(folder: Path) -> Path:
    """Build a site of MkDocs that has notebooks as pages, by mkdocs-jupyter."""
    (folder / "docs").mkdir()
    notebook(folder / "docs" / "index.ipynb", title="")
    (folder / "mkdocs.yml").write_text(
        textwrap.dedent("""\
            site_name: replies
            plugins: [mkdocs-jupyter]
            theme:
              name: material
              font: false
              palette:
                - {media: "(prefers-color-scheme: light)", scheme: default}
                - {media: "(prefers-color-scheme: dark)", scheme: slate}
        """)
    )
    run(BESIDE / "python", "-m", "mkdocs", "build", "-q", "--no-directory-urls", cwd=folder)
    return folder / "site" / "index.html"


def _sphinx(folder: Path, extension: str, theme: str) -> Path:
    notebook(folder / "index.ipynb")
    (folder / "conf.py").write_text(
        f"project = 'replies'\nextensions = [{extension!r}]\nhtml_theme = {theme!r}\n"
        "exclude_patterns = ['_build']\nnbsphinx_execute = 'never'\nnb_execution_mode = 'off'\n"
    )
    run(BESIDE / "python", "-m", "sphinx", "-q", "-b", "html", ".", "_build", cwd=folder)
    return folder / "_build" / "index.html"


def nbsphinx(folder: Path) -> Path:
    """Build a page of Sphinx by nbsphinx, with the theme of Read the Docs."""
    return _sphinx(folder, "nbsphinx", "sphinx_rtd_theme")


def myst(folder: Path) -> Path:
    """Build a page of Sphinx by MyST-NB, with the theme of the scientific Python packages."""
    return _sphinx(folder, "myst_nb", "pydata_sphinx_theme")


def jupyter_book(folder: Path) -> Path:
    """Build a Jupyter Book."""
    notebook(folder / "index.ipynb")
    (folder / "_config.yml").write_text("title: replies\nexecute: {execute_notebooks: 'off'}\n")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    run(BESIDE / "jupyter-book", "build", "-q", ".", cwd=folder)
    return folder / "_build" / "html" / "index.html"


_TAGS = """h1 h2 h3 h4 h5 h6 br b i strong em a pre code img div ins del sup sub p ol ul table thead tbody tfoot span
blockquote dl dt dd kbd q samp var hr li tr td th s summary details caption figure figcaption"""
STRIPPED = nh3.Cleaner(
    tags=set(_TAGS.split()),
    attributes={"a": {"href"}, "img": {"src", "alt"}, "details": {"open"}, "ol": {"start"}, "*": {"align", "dir"}},
    url_schemes={"http", "https", "mailto", "data"},
)
_BARE = """<!doctype html><meta charset="utf-8"><style>
body {{ color: #1f2328; background: #fff; font: 16px/1.5 sans-serif; max-width: 860px; margin: 20px auto; }}
pre {{ white-space: pre-wrap; }} a {{ color: #0969da; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #f0f6fc; background: #0d1117; }} a {{ color: #4493f8; }} }}
</style>{}"""


def github(folder: Path) -> Path:
    """Write the outputs as GitHub leaves them: without a style, a class or a script."""
    shown = "\n".join(
        f'<div class="nbassist">{STRIPPED.clean(data["text/html"])}</div><hr>' for data in outputs().values()
    )
    (folder / "index.html").write_text(_BARE.format(shown), encoding="utf-8")
    return folder / "index.html"


HOSTS: dict[str, Callable[[Path], Path]] = {
    one.__name__: one for one in (material, github, mkdocs_jupyter, nbsphinx, myst, jupyter_book)
}
OWN: Any = {"material", "github"}
"""Hosts that need nothing beside."""
