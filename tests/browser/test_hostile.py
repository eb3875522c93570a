"""The corpus of hostile texts in a real browser: no request, no dialogue, no script, on any surface."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "hostile"))
from corpus import PAYLOADS
from surfaces import conversation, pages, rendered

from nbassist.export.formats import as_markdown, as_page

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
CHUNK = 20  # payloads in one reply


@pytest.fixture(scope="module")
def surfaces() -> dict[str, str]:
    """The HTML of each surface, with all payloads."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for at in range(0, len(PAYLOADS), CHUNK):
        for surface, html in pages(PAYLOADS[at : at + CHUNK]):
            if surface != "page":
                found[surface].append(f"<section>{html}</section>\n")
    return {surface: "".join(parts) for surface, parts in found.items()}


@pytest.fixture
def watched(fresh_page: Any) -> Iterator[Any]:
    """A page on which nothing may be asked for, said or run."""
    page = fresh_page
    page.said = []
    page.on("dialog", lambda dialog: (page.said.append(dialog.message), dialog.dismiss()))
    page.on("popup", lambda popup: page.said.append(popup.url))
    page.context.route("**evil.example**", lambda route: route.abort())
    yield page
    assert page.said == []
    assert [url for url in page.requests if "evil.example" in url] == []
    assert page.evaluate("typeof window.hacked") == "undefined"


SURFACES = ["static", "static, streamed", "live", "live, whole", "midway", "grid", "grid, midway", "history", "diff",
            "table", "notebook", "markdown"]  # fmt: skip


@pytest.mark.parametrize("surface", SURFACES)
def test_a_bare_page_with_every_payload_asks_for_nothing_and_runs_nothing(
    watched: Any, surfaces: dict[str, str], surface: str
) -> None:
    assert set(surfaces) == set(SURFACES)
    watched.set_content(f"<!DOCTYPE html><meta charset=utf-8>{surfaces[surface]}<p id=end>end</p>")
    watched.wait_for_selector("#end")
    watched.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    watched.mouse.move(300, 300)
    watched.keyboard.press("Tab")
    watched.wait_for_timeout(200)
    assert watched.requests == []
    assert watched.evaluate("document.querySelectorAll('script, style, iframe, object, svg, form').length") == 0
    fixed = "() => [...document.querySelectorAll('body *')].some(e => getComputedStyle(e).position === 'fixed')"
    assert not watched.evaluate(fixed)


def test_the_exported_page_and_a_viewer_of_markdown_that_keeps_html(watched: Any, tmp_path: Path) -> None:
    thread = conversation(PAYLOADS)
    for name, html in (("page", as_page(thread)), ("markdown", rendered(as_markdown(thread)))):
        (tmp_path / f"{name}.html").write_text(html, encoding="utf-8")
        watched.goto(f"file://{tmp_path}/{name}.html")
        watched.wait_for_timeout(200)
        assert all(url.startswith("file://") for url in watched.requests)


def notebook_of(surfaces: dict[str, str]) -> Any:
    """Return a notebook that holds each surface that one can hold."""
    nbformat = import_module("nbformat")
    surfaces = {name: html for name, html in surfaces.items() if name not in ("live", "live, whole", "markdown")}
    cells = [
        nbformat.v4.new_code_cell(name, outputs=[nbformat.v4.new_output("display_data", data={"text/html": html})])
        for name, html in surfaces.items()
    ]
    last = nbformat.v4.new_output("display_data", data={"text/html": "<p id='end'>$\\pi$ $\\sigma$</p>"})
    return nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_code_cell("last", outputs=[last])])


def test_the_page_that_nbconvert_makes(watched: Any, surfaces: dict[str, str], tmp_path: Path) -> None:
    html, _ = import_module("nbconvert").HTMLExporter().from_notebook_node(notebook_of(surfaces))
    (tmp_path / "converted.html").write_text(html, encoding="utf-8")
    watched.context.route("https://**", lambda route: route.abort())  # its own scripts come from elsewhere
    watched.goto(f"file://{tmp_path}/converted.html", wait_until="domcontentloaded")
    watched.wait_for_timeout(300)


def test_a_notebook_reopened_without_trust_and_its_mathematics(
    lab: Any, watched: Any, surfaces: dict[str, str], shots: Any
) -> None:
    (lab.folder / "reopened.ipynb").write_text(json.dumps(notebook_of(surfaces)), encoding="utf-8")
    with lab.setting("notebook-extension/tracker", windowingMode="none"):
        lab.open(watched, "reopened.ipynb", kernel=False)
        watched.wait_for_function("document.querySelectorAll('mjx-container').length > 2", timeout=120_000)
        lab.settle(watched, ".jp-Notebook")
        shots(watched, "hostile-reopened")
        # The last formula of the page means what it meant: no reply has told MathJax anything.
        formulas = "() => [...document.querySelectorAll('mjx-container')].map(one => one.textContent)"
        assert not any("PWNED" in formula for formula in watched.evaluate(formulas))
        assert watched.evaluate("document.querySelectorAll('mjx-container a, mjx-container [style*=url]').length") == 0
    lab.shut_down()


def test_a_live_sweep_whose_prompts_and_replies_are_hostile(lab: Any, watched: Any, shots: Any) -> None:
    for file in (HERE / "sweeping.py", HERE.parent / "hostile" / "corpus.py"):
        shutil.copy(file, lab.folder)
    source = "from corpus import PAYLOADS\nfrom sweeping import *\n"
    source += "r = sweep(Model(echoes=True), '{{ item }}', vary={'system': PAYLOADS[:2]}, over=PAYLOADS)\nr"
    name = str(lab.write("hostile-sweep.ipynb", source))
    lab.open(watched, name)
    lab.start(watched)
    watched.wait_for_selector(".nba-grid-static .nba-grid .nba-gline", state="attached", timeout=180_000)
    in_view = """s => { const box = s.getBoundingClientRect();
        const cells = [...s.querySelectorAll("td[data-state=done]")].map(c => [c.dataset.n, c.getBoundingClientRect()]);
        return cells.find(([n, r]) => r.bottom > box.top && r.top < box.bottom)?.[0] ?? "" }"""
    opened = 0
    for number in range(0, len(PAYLOADS), 12):
        scroller = watched.locator(".nba-gscroll")
        scroller.evaluate("(s, share) => { s.scrollTop = share * s.scrollHeight }", number / len(PAYLOADS))
        watched.wait_for_timeout(200)
        if run := scroller.evaluate(in_view):
            # In one step: the table may draw its rows anew at any moment.
            scroller.evaluate("(s, run) => s.querySelector(`td[data-n='${run}'] .nba-gopen`).click()", run)
            watched.wait_for_selector(".nba-gwhole .nba-footer")
            watched.keyboard.press("Escape")
            opened += 1
    assert opened > 12
    shots(watched, "hostile-sweep")
    assert watched.locator(".nba-grid").locator("script, iframe, object, form, svg image").count() == 0
    lab.save(watched)
    lab.shut_down()
    lab.open(watched, name, kernel=False)
    watched.wait_for_selector(".nba-grid-static td", timeout=120_000)
    watched.wait_for_timeout(500)


def test_a_tour_page_of_the_documentation_with_hostile_replies(
    watched: Any, surfaces: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mkdocs", reason="the documentation needs the extra docs")
    monkeypatch.syspath_prepend(str(HERE.parent.parent / "docs"))
    site, markdown = import_module("site_pages"), import_module("markdown")
    (tmp_path / "hostile.ipynb").write_text(json.dumps(notebook_of(surfaces)), encoding="utf-8")
    body = markdown.markdown(
        site.tour_page(tmp_path / "hostile.ipynb"), extensions=["tables", "attr_list", "md_in_html"]
    )
    page = SimpleNamespace(file=SimpleNamespace(src_uri="tour/hostile.md"))
    html = site.on_page_content(body, page, None, None)
    assert html.count('class="nb-output"') == len(surfaces) - 3 + 1
    (tmp_path / "hostile.html").write_text(f"<!DOCTYPE html><meta charset=utf-8>{html}<p id=end>end</p>")
    watched.goto(f"file://{tmp_path}/hostile.html")
    watched.wait_for_selector("#end")
    watched.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    watched.wait_for_timeout(300)
    assert all(url.startswith("file://") for url in watched.requests)
