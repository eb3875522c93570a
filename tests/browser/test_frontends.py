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
OURS = "!!requirejs('notebook/js/codecell').CodeCell.options_default.highlight_modes.magic_markdown"


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
            for _ in range(60):  # it says that it is idle before it runs anything
                if page.is_visible(".jp-Dialog"):  # or asks to wait for the kernel
                    page.keyboard.press("Escape")
                page.click(".jp-Notebook .jp-Cell .cm-content", force=True)
                page.keyboard.press("Control+Enter")
                page.wait_for_timeout(1000)
                if "[ ]" not in page.inner_text(".jp-InputPrompt"):
                    break
        else:
            # Its extensions load on their own time: widgets, and ours.
            page.wait_for_function("!!Jupyter.notebook.kernel.widget_manager")
            page.wait_for_function(OURS)
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


def notebook_of(*stories: Any) -> Any:
    """Return a notebook whose cells have these runs as their saved outputs."""
    nbformat = import_module("nbformat")
    from nbassist.display.static.reply import bundle

    outputs = [nbformat.v4.new_output("display_data", data=bundle(events)) for events in stories]
    cells = [nbformat.v4.new_code_cell("%%assistant\nhow many?", outputs=[output]) for output in outputs]
    return nbformat.v4.new_notebook(cells=cells)


def scripted() -> Any:
    import sys

    sys.path.insert(0, str(HERE))
    return import_module("scripted")


def test_html_of_nbconvert_reads_well_and_asks_for_nothing_of_the_model(page: Any, shots: Any, tmp_path: Path) -> None:
    nbconvert = import_module("nbconvert")
    stories = scripted().conversation(), scripted().services(), scripted().hostile(import_hostile())
    html, _ = nbconvert.HTMLExporter().from_notebook_node(notebook_of(*stories))
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


def test_webpdf_of_nbconvert_has_the_words_and_the_lines_of_the_panels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """nbconvert's own exporter; only where its Chromium is found is told to it."""
    browsers, exporters, pypdf = (
        import_module("playwright.async_api"),
        import_module("nbconvert"),
        import_module("pypdf"),
    )
    launch = browsers.BrowserType.launch
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

    async def found(self: Any, **options: Any) -> Any:
        return await launch(self, **options, executable_path=chromium)

    monkeypatch.setattr(browsers.BrowserType, "launch", found)
    notebook = notebook_of(scripted().conversation(), scripted().services())
    exporter = exporters.WebPDFExporter(disable_sandbox=True)
    pdf, _ = exporter.from_notebook_node(notebook)
    (tmp_path / "export.pdf").write_bytes(pdf)
    text = "".join(page.extract_text() + "\n" for page in pypdf.PdfReader(tmp_path / "export.pdf").pages)
    words = " ".join(text.split())
    for line in (
        "There are 1,204 orders, so yes: that is more than the target of 1,000.",
        "How they are spread",
        "North 512 42.5%",
        "def valid(orders: pd.DataFrame) -> pd.DataFrame:",
        "✓ row_count",
        'table="orders"',  # text that is not fully opaque is drawn, and so read, after the rest
        "✕ describe",
        "KeyError: 'ordres' · 4 ms",
        "count the orders",
        "Orders handbook",
        "qwen2.5-coder-1.5b · 14.2 s · 1,180 tokens in (640 cached), 412 out · 3 turns",
        "$0.0012",
    ):
        assert line in words, words


def import_hostile() -> list[str]:
    import sys

    sys.path.insert(0, str(HERE.parent / "display"))
    return list(import_module("display_samples").HOSTILE)
