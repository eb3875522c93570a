"""The live view and the static reply in Notebook 7 and in the classic notebook, and the exports that need a browser."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
SETUP = "from scripted import *\nfrom nbassist.display import make_view\nview = make_view('live', get_ipython())\n"
ASK = SETUP + "play(view, asking(view, []), gate='go-front')"
REPLY = SETUP + "play(view, conversation(), 200, gate='go-front')"
READY = {
    "notebook": "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'",
    "classic": "window.Jupyter?.notebook?.kernel?.is_connected() && window.Jupyter.notebook.kernel.info_reply.status"
    " && !!document.querySelector('.kernel_idle_icon')",
}


@pytest.fixture(params=["notebook", "classic"])
def front(request: pytest.FixtureRequest, lab: Any, page: Any) -> Any:
    """A function that runs a cell in another frontend of the same server; it returns the frontend's name."""
    shutil.copy(HERE / "scripted.py", lab.folder)
    (lab.folder / "go-front").unlink(missing_ok=True)
    kind = str(request.param)
    where = {"notebook": "notebooks", "classic": "nbclassic/notebooks"}[kind]

    def run(name: str, source: str) -> str:
        page.goto(f"{lab.url}/{where}/{lab.write(f'{kind}-{name}.ipynb', source)}")
        page.wait_for_function(READY[kind], timeout=120_000)
        if kind == "notebook":
            for _ in range(20):  # it says that it is idle before it runs anything
                page.click(".jp-Notebook .jp-Cell .cm-content")
                page.keyboard.press("Control+Enter")
                page.wait_for_timeout(1000)
                if "[ ]" not in page.inner_text(".jp-InputPrompt"):
                    break
        else:
            page.wait_for_timeout(1000)  # its extensions, widgets among them, load on their own time
            page.evaluate("() => { Jupyter.notebook.execute_all_cells() }")
        return kind

    yield run
    lab.shut_down()


def test_a_reply_streams_and_gives_way_to_the_static_one(front: Any, lab: Any, page: Any, shots: Any) -> None:
    kind = front("reply", REPLY)
    page.wait_for_selector(".nba-live >> text=Figures as of today.")
    assert page.is_visible(".nba-stop")
    page.locator(".nba-live .nba-call summary").nth(0).click()
    shots(page, f"{kind}-1-live")
    (lab.folder / "go-front").touch()
    page.wait_for_selector(".nbassist:not(.nba-live) .nba-footer")
    page.wait_for_selector(".nba-live", state="detached")
    assert page.locator(".nbassist .nba-call").nth(0).get_attribute("open") is not None
    page.wait_for_selector(".nbassist mjx-container, .nbassist .MathJax")
    shots(page, f"{kind}-2-static")
    foreign = {urlsplit(url).netloc for url in page.requests if urlsplit(url).scheme.startswith("http")}
    assert "evil.example" not in foreign


def test_a_question_is_answered_by_a_click(front: Any, lab: Any, page: Any, shots: Any) -> None:
    kind = front("ask", ASK)
    page.wait_for_selector(".nba-ask")
    shots(page, f"{kind}-3-ask")
    page.focus(".nba-comment")
    page.keyboard.type("dd no")  # in the classic notebook, dd deletes a cell
    page.keyboard.press("Enter")
    page.wait_for_selector(".nba-call summary >> text=refused")
    (lab.folder / "go-front").touch()
    page.wait_for_selector(".nbassist:not(.nba-live) .nba-footer")
    assert "dd no" in page.locator(".nbassist").text_content()


def test_html_and_pdf_of_nbconvert_read_well_and_ask_for_nothing_of_the_model(
    page: Any, shots: Any, tmp_path: Path
) -> None:
    """The PDF is printed as nbconvert's webpdf does it: its HTML, in print, by Chromium."""
    import sys

    sys.path.insert(0, str(HERE))
    scripted = import_module("scripted")
    nbformat, nbconvert = import_module("nbformat"), import_module("nbconvert")
    from nbassist.display.static import bundle

    outputs = [
        nbformat.v4.new_output("display_data", data=bundle(events))
        for events in (scripted.conversation(), scripted.services(), scripted.hostile(import_hostile()))
    ]
    cells = [nbformat.v4.new_code_cell("%%assistant\nhow many?", outputs=[output]) for output in outputs]
    html, _ = nbconvert.HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    (tmp_path / "export.html").write_text(html)
    page.route("**/*", lambda route: route.abort() if route.request.url.startswith("http") else route.continue_())
    page.goto((tmp_path / "export.html").as_uri(), wait_until="domcontentloaded")
    assert "1,204 orders" in page.inner_text("body")
    assert page.locator("details summary >> text=row_count").count() == 1
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(500)
    shots(page, "export-html")
    fonts = "[...document.querySelectorAll('.nbassist pre')].map(e => getComputedStyle(e).fontFamily)"
    assert all("mono" in font for font in page.evaluate(fonts))
    assert page.evaluate("window.hacked") is None
    hosts = {urlsplit(url).hostname for url in page.requests if urlsplit(url).scheme.startswith("http")}
    assert not {host for host in hosts if host and host.endswith(".example")}, "MathJax of nbconvert's own is all"
    printed = page.pdf(path=str(tmp_path / "export.pdf"))
    assert printed.startswith(b"%PDF")
    assert len(printed) > 20_000


def import_hostile() -> list[str]:
    import sys

    sys.path.insert(0, str(HERE.parent / "display"))
    return list(import_module("display_samples").HOSTILE)
