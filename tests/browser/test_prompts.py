"""Prompts look like prose in the frontends, and what is in a reply can be copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

PROMPT = "%%assistant -m small --see orders\nFor **each** one, if it is True, is {{ total }} over {{ x | head 2 }}?"
PYTHON = 'def f(x):\n    """A %%assistant {{ x }}"""\n    return x if True else {"a": {1}}'
REPLY = (
    "from IPython.display import HTML\n"
    'HTML(\'<div class="nbassist"><div class="nba-text"><p>The answer is 3.</p>'
    '<div class="highlight"><pre>x = 1\\ny = 2</pre></div></div>'
    '<details class="nba-panel"><summary>row_count</summary>7</details></div>\')'
)
MODES = """() => {
  const cells = jupyterapp.shell.currentWidget.content.model.cells;
  return [...Array(cells.length).keys()].map(n => cells.get(n).mimeType);
}"""
MARKED = "kind => [...document.querySelectorAll('.nba-' + kind)].map(one => one.textContent)"
KEYWORDS = """cell => {
  const strong = getComputedStyle(document.body).getPropertyValue('--jp-mirror-editor-keyword-color').trim();
  const probe = document.body.appendChild(document.createElement('i')); probe.style.color = strong;
  const color = getComputedStyle(probe).color; probe.remove();
  const spans = [...document.querySelectorAll('.jp-Notebook .jp-Cell')][cell].querySelectorAll('.cm-line span');
  const leaves = [...spans].filter(one => !one.querySelector('span') && getComputedStyle(one).color === color);
  return leaves.map(one => one.textContent);
}"""


def modes(page: Any, *wanted: str) -> None:
    """Wait until the cells have these languages."""
    page.wait_for_function(f"wanted => JSON.stringify(({MODES})()) === JSON.stringify(wanted)", arg=list(wanted))


@pytest.fixture
def opened(lab: Any, page: Any) -> Any:
    lab.open(page, lab.write("prompts.ipynb", PROMPT, PYTHON))
    modes(page, "text/x-ipythongfm", "text/x-ipython")
    return page


def test_a_prompt_is_prose_with_its_flags_and_expressions_marked(opened: Any, shots: Any) -> None:
    opened.wait_for_selector(".nba-value")
    assert opened.evaluate(MARKED, "value") == ["{{ total }}", "{{ x | head 2 }}"]
    assert opened.evaluate(MARKED, "flag") == ["-m", "--see"]
    assert opened.evaluate(MARKED, "magic") == ["%%assistant"]
    assert opened.evaluate(KEYWORDS, 0) == []
    assert {"def", "return", "if", "else"} <= set(opened.evaluate(KEYWORDS, 1))
    shots(opened, "prompt")


def test_a_cell_changes_its_language_with_its_text_and_keeps_it_over_a_restart(opened: Any) -> None:
    rewrite = (
        "([n, text]) => { jupyterapp.shell.currentWidget.content.model.cells.get(n).sharedModel.setSource(text); }"
    )
    opened.evaluate(rewrite, [0, "x = 1"])
    modes(opened, "text/x-ipython", "text/x-ipython")
    assert opened.evaluate(MARKED, "value") == []
    opened.evaluate(rewrite, [1, f"# ask it\n{PROMPT}"])
    modes(opened, "text/x-ipython", "text/x-ipythongfm")
    opened.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    opened.wait_for_function("jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
    modes(opened, "text/x-ipython", "text/x-ipythongfm")


def test_what_python_says_of_the_magic_stays_python(lab: Any, page: Any) -> None:
    lab.open(page, lab.write("mentions.ipynb", "s = '%%assistant'", "%%assistants\nx", "%%assistant\nhello"))
    modes(page, "text/x-ipython", "text/x-ipython", "text/x-ipythongfm")


def test_code_and_the_whole_reply_are_copied_by_a_click(lab: Any, page: Any, shots: Any) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lab.open(page, lab.write("copy.ipynb", REPLY))
    lab.run_all(page)
    page.hover(".nbassist .highlight pre")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "x = 1\ny = 2"
    shots(page, "copied")
    page.hover(".nbassist p")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    said = page.evaluate("navigator.clipboard.readText()")
    assert said.startswith("The answer is 3.")
    assert "row_count" not in said
    page.hover(".jp-InputPrompt >> nth=0")
    page.wait_for_selector(".nba-copy", state="detached")
    lab.save(page)
    assert "nba-copy" not in str(lab.read("copy.ipynb")["cells"][0]["outputs"])


def test_notebook_7_colours_prompts_as_prose_too(lab: Any, page: Any) -> None:
    name = lab.write("seven.ipynb", PROMPT, PYTHON)
    page.goto(f"{lab.url}/notebooks/{name}")
    page.wait_for_selector(".nba-value", timeout=120_000)
    assert page.evaluate(MARKED, "value") == ["{{ total }}", "{{ x | head 2 }}"]


def test_nbclassic_colours_prompts_as_markdown(lab: Any, page: Any) -> None:
    name = lab.write("classic.ipynb", PROMPT, PYTHON)
    page.goto(f"{lab.url}/nbclassic/notebooks/{name}")
    strong = ".code_cell:nth-of-type(1) .cm-strong"
    page.wait_for_selector(strong, timeout=120_000)
    assert "each" in "".join(page.locator(strong).all_inner_texts())
    assert page.locator(".code_cell").nth(0).locator(".cm-keyword").count() == 0
    page.wait_for_selector(".code_cell:nth-of-type(2) .cm-keyword")  # the language of the kernel comes later


def test_the_frontends_find_what_the_package_brings() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True, check=True
    )
    [line] = [line for line in (listed.stdout + listed.stderr).splitlines() if "nbassist" in line]
    assert "enabled" in line
    assert (Path(sys.prefix) / "share/jupyter/nbextensions/nbassist/main.js").is_file()


ENTRY = Path(__file__).parent.parent.parent / "nbassist" / "frontend" / "lab" / "static" / "remoteEntry.js"
BARE = """async shared => {
  const modules = Object.fromEntries(shared.map(name => [name, { 1: { get: async () => () => ({}) } }]));
  await _JUPYTERLAB.nbassist.init(modules);
  const found = (await _JUPYTERLAB.nbassist.get('./extension'))();
  return found.default.map(plugin => plugin.id);
}"""


@pytest.mark.parametrize("shared", [[], ["@jupyterlab/notebook", "@jupyterlab/codemirror"]])
def test_a_page_without_editors_as_voila_s_has_the_buttons_that_copy_and_no_error(
    fresh_page: Any, shared: list[str]
) -> None:
    fresh_page.set_content("<p>no JupyterLab</p>")
    fresh_page.add_script_tag(path=ENTRY)
    assert fresh_page.evaluate(BARE, shared) == ["nbassist:copying"]
