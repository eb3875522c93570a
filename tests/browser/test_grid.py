"""The grid of a sweep in a real JupyterLab: while it runs, when it has ended, and in the notebook's file."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import test_frontends
from lab_harness import AGAIN

from nbassist import Assistant
from nbassist.sweep import Sweep

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
front = test_frontends.front
SETUP = "from sweeping import *\nfrom nbassist import tool\nrate = 'Rate {{ item }}'\n"
VARY = "vary={'model': ['small', 'large-2026'], 'temperature': [0, 1]}"


@pytest.fixture
def open_lab(lab: Any, page: Any) -> Any:
    """A function that opens a notebook and runs it."""
    shutil.copy(HERE / "sweeping.py", lab.folder)
    for sign in lab.folder.glob("go*"):
        sign.unlink()

    def opened(name: str, *cells: str, theme: str = "light") -> str:
        written = str(lab.write(f"{name}.ipynb", *cells))
        lab.open(page, written, theme=theme)
        lab.start(page)
        return written

    return opened


def wait_ended(page: Any) -> None:
    page.wait_for_selector(".nba-grid-static .nba-grid .nba-gline", state="attached")


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=AGAIN)])
def test_a_grid_streams_and_then_stands_in_the_notebook_without_script(
    lab: Any, open_lab: Any, page: Any, shots: Any, theme: str
) -> None:
    over = "[f'Review {n}: the parcel came, and it was as it was' + (' boom' if n == 3 else '') for n in range(9)]"
    source = f"{SETUP}r = sweep(Model(0.02, gate='go'), rate, {VARY}, over={over}, repeat=3, jobs=8)\nr"
    name = open_lab(f"grid-{theme}", source, theme=theme)
    page.wait_for_selector(".nba-grid td[data-state=done]")
    page.wait_for_selector(".nba-grid td[data-state=running]")
    page.wait_for_selector(".nba-grid >> text=median time")
    assert "of 108 done" in page.inner_text(".nba-grid [role=status]")
    assert page.is_visible(".nba-grid >> text=Stop")
    shots(page, f"grid-{theme}-1-running")
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    assert axe.run(page, context=".nba-grid").response["violations"] == []
    (lab.folder / "go").touch()
    wait_ended(page)
    assert "108 done · 12 failed" in page.inner_text(".nba-grid [role=status]")
    assert page.locator(".nba-grid").count() == 1, "the result of the cell is shown once"
    page.click("td[data-n='15'] .nba-gsays")
    page.wait_for_selector(".nba-gwhole .nba-footer")
    shots(page, f"grid-{theme}-2-open")
    assert axe.run(page, context=".nba-grid").response["violations"] == []
    page.wait_for_timeout(200)
    lab.save(page)
    (output,) = lab.read(name)["cells"][0]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    html = "".join(output["data"]["text/html"])
    assert "<script" not in html
    assert "agreement" in html
    lab.shut_down()
    lab.open(page, name, kernel=False, theme=theme)
    page.wait_for_selector(".nba-grid-static td")
    page.wait_for_timeout(500)
    page.locator(".nba-grid-static summary").nth(1).click()
    shots(page, f"grid-{theme}-3-saved")
    assert "12 failed" in page.inner_text(".nba-grid-static")


def test_a_run_is_opened_with_its_calls_and_rated_by_a_button(open_lab: Any, page: Any, shots: Any) -> None:
    tool = "@tool\ndef row_count(table: str) -> int:\n    'Count rows.'\n    return 1204\n"
    source = f"{SETUP}{tool}r = sweep(Model(calls=True), rate, over=range(3), tools=[row_count])\nr"
    open_lab(
        "grid-rate", source, "import time\nwhile not r[1].rating:\n    time.sleep(0.05)\nprint('rated', r[1].rating)"
    )
    wait_ended(page)
    page.focus("td[data-n='1'] .nba-gopen")
    page.keyboard.press("Enter")
    page.wait_for_selector(".nba-gwhole .nba-call >> text=row_count")
    page.click(".nba-gwhole >> text=Good")
    page.wait_for_selector("text=rated good")
    page.wait_for_selector("td[data-n='1'] [data-rate=good][aria-pressed=true]")
    shots(page, "grid-rated")
    page.keyboard.press("Escape")
    assert page.is_hidden(".nba-gwhole")


READ = """runs = sweep(Model(), rate, vary={'model': ['small', 'large-2026']}, over=OVER, check="'ositive' in text")
runs""".replace("OVER", "[f'review {n}' for n in range(6)]")


@pytest.mark.parametrize("theme", [pytest.param("light", marks=AGAIN), "dark"])
def test_replies_are_rendered_marked_pinned_side_by_side_and_sorted(
    open_lab: Any, page: Any, shots: Any, theme: str
) -> None:
    open_lab(f"grid-read-{theme}", SETUP + READ, theme=theme)
    wait_ended(page)
    page.wait_for_selector("td[data-mark=pass] .nba-gpass")
    page.wait_for_selector("td[data-mark=fail] .nba-gfail")
    assert page.locator("td .nba-ghtml strong >> text=negative").count() > 0
    heights = page.eval_on_selector_all(".nba-grid tbody tr:not(.nba-gspace)", "rows => rows.map(r => r.offsetHeight)")
    scroller = page.locator(".nba-gscroll")
    assert scroller.evaluate("s => s.scrollHeight <= s.clientHeight + 2"), heights
    assert "not told apart" in page.inner_text(".nba-gnotes")
    assert "tokens" in page.inner_text(".nba-grid [role=status] >> nth=0")
    shots(page, f"grid-read-{theme}-1")
    page.focus("td[data-n='0'] .nba-gopen")
    page.keyboard.press("p")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("p")
    page.wait_for_selector(".nba-gcolumn >> nth=1")
    page.click(".nba-gside >> text=Word diff")
    page.wait_for_selector(".nba-gcolumn ins")
    shots(page, f"grid-read-{theme}-2-pinned")
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    assert axe.run(page, context=".nba-grid").response["violations"] == []
    page.click(".nba-gside >> text=Unpin all")
    page.focus("td[data-n='1'] .nba-gopen")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("g")
    page.wait_for_selector("td[data-n='3'] [data-rate=good][aria-pressed=true]")
    page.keyboard.press("b")
    page.wait_for_selector("td[data-n='3'] [data-rate=bad][aria-pressed=true]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".nba-gwhole .nba-footer")
    page.keyboard.press("Escape")
    page.select_option(".nba-gselect >> nth=0", "check failed")
    page.wait_for_selector("td[data-mark=fail]")
    page.select_option(".nba-gselect >> nth=1", "'ositive' in text")  # the worst come first
    page.wait_for_function("document.querySelectorAll(\".nba-grid tr[data-at='0'] td[data-mark=fail]\").length === 2")


def test_blind_pairs_are_judged_by_keys_and_buttons_call_the_api(
    lab: Any, open_lab: Any, page: Any, shots: Any
) -> None:
    open_lab("grid-pairs", SETUP + READ.replace("review {n}", "review {n}' + (' boom' if n == 5 else '') + '"))
    wait_ended(page)
    page.click(".nba-gtools >> text=Blind pairs")
    page.wait_for_selector(".nba-gblind .nba-gcolumn >> nth=1")
    assert "small" not in page.inner_text(".nba-gblind .nba-gcolumns")
    shots(page, "grid-pairs-1")
    page.keyboard.press("1")
    page.wait_for_selector(".nba-gblind [role=status] >> text=/^1 of/")
    assert "model = " in page.inner_text(".nba-gblind [role=status]")
    page.keyboard.press("Escape")
    page.click(".nba-gtools >> text=Retry failed")
    page.wait_for_selector(".nba-gtools >> text=2 asked anew, 2 failed again")
    page.click(".nba-gtools >> text=Keep as tests")
    page.wait_for_selector(".nba-gtools >> text=/kept in .*suite.json/")
    page.click(".nba-gtools >> text=Export")
    page.wait_for_selector(".nba-gtools >> text=/written to .*runs.jsonl/")
    page.click("td[data-n='1'] .nba-gsays")
    page.click(".nba-gwhole >> text=Adopt")
    page.wait_for_selector(".nba-gtools >> text=/run 1 is the thread's turn/")
    assert list(lab.folder.glob("*.suite.json"))
    assert list(lab.folder.glob("*.runs.jsonl"))


def test_stop_keeps_what_is_done(lab: Any, open_lab: Any, page: Any) -> None:
    source = f"{SETUP}r = sweep(Model(0.01, gate='go-never'), rate, over=range(20), jobs=2)\nr"
    open_lab("grid-stop", source, "print(sum(run.ok for run in r), 'kept')")
    page.wait_for_selector("td[data-n='7'][data-state=running]")  # beside 6, so that all before them are done
    page.click(".nba-grid >> text=Stop")
    page.wait_for_selector("text=6 kept")
    wait_ended(page)


def test_only_rows_that_differ_are_shown_where_that_is_asked(open_lab: Any, page: Any) -> None:
    source = f"{SETUP}r = sweep(Model(), rate, vary={{'model': ['a', 'bb']}}, over=range(40), jobs=8)\nr"
    open_lab("grid-different", source)
    wait_ended(page)
    page.wait_for_selector("td[data-n='2']")
    page.select_option(".nba-gselect >> nth=0", "different")
    page.wait_for_selector("td[data-n='2']", state="detached")
    page.wait_for_selector("td[data-n='8']")
    page.select_option(".nba-gselect >> nth=0", "")
    page.wait_for_selector("td[data-n='2']")


def test_one_wait_for_all_is_said_with_its_seconds(lab: Any, open_lab: Any, page: Any, shots: Any) -> None:
    open_lab("grid-busy", f"{SETUP}r = sweep(Model(busy=12.0, gate='go'), rate, over=range(6), jobs=1)\nr")
    page.wait_for_selector(".nba-grid [role=status] >> text=/all wait 1?\\d s: 429: slow down/")
    shots(page, "grid-busy")
    assert "2 of 6 done" in page.inner_text(".nba-grid [role=status]")
    (lab.folder / "go").touch()
    wait_ended(page)
    assert page.inner_text(".nba-grid [role=status]").startswith("6 done")


def test_a_judge_says_how_far_it_is_and_its_reason_stands_in_the_run(
    lab: Any, open_lab: Any, page: Any, shots: Any
) -> None:
    open_lab("grid-judge", f"{SETUP}r = sweep(Model(gate='go'), rate, rubric='It is kind.', over=range(3))\nr")
    page.wait_for_selector(".nba-grid [role=status] >> text=/3 done.* 0 of 3 judged/")
    shots(page, "grid-judging")
    (lab.folder / "go").touch()
    wait_ended(page)
    page.wait_for_selector("td[data-n='2'] >> text=judge 4")
    page.click("td[data-n='2'] .nba-gsays")
    page.wait_for_selector(".nba-gwhole >> text=it says what it should")
    shots(page, "grid-judged")


def test_in_a_narrow_page_the_labels_stay_and_the_columns_scroll(
    lab: Any, open_lab: Any, page: Any, shots: Any
) -> None:
    page.set_viewport_size({"width": 560, "height": 900})
    open_lab("grid-narrow", f"{SETUP}r = sweep(Model(), rate, {VARY}, over=range(4), jobs=8)\nr")
    wait_ended(page)
    box = page.locator(".nba-gscroll").bounding_box()
    assert box["width"] < 560
    page.evaluate("document.querySelector('.nba-gscroll').scrollLeft = 1e4")
    lab.settle(page, "tbody th")
    label, last = page.locator("tbody th").first.bounding_box(), page.locator("thead th").last.bounding_box()
    assert abs(label["x"] - box["x"]) < 3, "the label of the row is still there"
    assert last["x"] + last["width"] <= box["x"] + box["width"] + 20
    shots(page, "grid-narrow")


def test_other_frontends_show_the_grid_and_keep_it_without_script(front: Any, lab: Any, page: Any, shots: Any) -> None:
    shutil.copy(HERE / "sweeping.py", lab.folder)
    (lab.folder / "go").unlink(missing_ok=True)
    kind = front("grid", f"{SETUP}r = sweep(Model(0.01, gate='go'), rate, {VARY}, over=range(9), jobs=8)\nr")
    page.wait_for_selector(".nba-grid td[data-state=done]")
    shots(page, f"grid-{kind}-1-running")
    (lab.folder / "go").touch()
    page.wait_for_selector(".nba-grid [role=status] >> text=36 done")
    page.wait_for_selector(".nba-grid-static")
    page.click(".nba-grid td[data-n='1'] .nba-gsays")
    page.wait_for_selector(".nba-gwhole .nba-footer")
    shots(page, f"grid-{kind}-2-open")


def test_html_of_nbconvert_has_the_grid_with_its_runs_to_open(page: Any, shots: Any, tmp_path: Path) -> None:
    nbformat, nbconvert = import_module("nbformat"), import_module("nbconvert")
    sweeping = import_module("sweeping")
    over = [f"Review {n}: the parcel came" for n in range(4)]
    made = Sweep(
        Assistant(backend=sweeping.Model()), "Rate {{ item }}", vary={"model": ["small", "large-2026"]}, over=over
    )
    runs = made.run().check("'ositive' in text", "answers")
    runs.rate(1, "good")
    output = nbformat.v4.new_output("display_data", data=runs._repr_mimebundle_())
    cell = nbformat.v4.new_code_cell("%%assistant --over reviews\nRate {{ item }}", outputs=[output])
    for template in ("lab", "classic"):
        exporter = nbconvert.HTMLExporter(template_name=template)
        html, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
        (tmp_path / "export.html").write_text(html)
        page.route("**/*", lambda route: route.abort() if route.request.url.startswith("http") else route.continue_())
        page.goto((tmp_path / "export.html").as_uri(), wait_until="domcontentloaded")
        assert page.locator(".nba-grid-static tbody > tr").count() == 4
        page.locator(".nba-grid-static summary").nth(1).click()
        assert page.locator(".nba-grid-static .nba-footer").nth(1).is_visible()
        page.wait_for_timeout(300)
        shots(page, f"grid-export-{template}")


def test_ten_thousand_rows_scroll(open_lab: Any, page: Any, shots: Any) -> None:
    source = f"{SETUP}r = sweep(Model(), rate, vary={{'model': ['a']}}, over=range(10_000), jobs=32)\nr"
    open_lab("grid-many", source)
    page.wait_for_selector("td[data-n='3'][data-state=done]")
    wait_ended(page)
    assert page.locator(".nba-grid tbody tr").count() < 60
    page.evaluate("document.querySelector('.nba-gscroll').scrollTop = 1e9")
    page.wait_for_selector("td[data-n='9999'][data-state=done]")
    shots(page, "grid-many")
