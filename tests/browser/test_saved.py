"""What is on the page and in the file while a reply is written: saved, reloaded, scrolled away, the kernel killed."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from lab_harness import AGAIN, KERNEL_IDLE

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
SETUP = "from scripted import *\nfrom nbassist.display import make_view\nview = make_view('live', get_ipython())\n"
PLAY = SETUP + "import os\nopen('pid', 'w').write(str(os.getpid()))\nplay(view, conversation(), 200, gate='go-saved')"
LAST = "Figures as of today."
FORM = "document.querySelector('.nba-hidden')?.textContent.includes('Figures as of today.')"  # what the file would hold
ALONE = PLAY.replace("\nview", "\nimport os\nos.environ.pop('JPY_SESSION_NAME')\nview", 1)


@pytest.fixture
def lab_with_script(lab: Any) -> Any:
    """The Lab, with the script of replies in its folder."""
    shutil.copy(HERE / "scripted.py", lab.folder)
    for sign in lab.folder.glob("go*"):
        sign.unlink()
    return lab


def begin(lab: Any, page: Any, name: str, *cells: str) -> str:
    """Open a new notebook and run it; return its name."""
    lab.open(page, lab.write(name, *cells))
    lab.start(page)
    return name


def save(lab: Any, page: Any, name: str) -> dict[str, Any]:
    """Save the notebook; return its output."""
    lab.save(page)
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    (output,) = lab.read(name)["cells"][-1]["outputs"]
    return dict(output["data"])


def test_a_notebook_saved_in_the_middle_of_a_run_shows_what_came_trusted_or_not(
    lab_with_script: Any, page: Any, shots: Any
) -> None:
    lab = lab_with_script
    name = begin(lab, page, "saved.ipynb", PLAY)
    page.wait_for_selector(f".nba-live >> text={LAST}")
    page.wait_for_function(FORM)
    data = save(lab, page, name)
    assert set(data) == {"text/html", "text/plain"}
    assert "Not finished" in "".join(data["text/plain"])
    assert LAST in "".join(data["text/plain"])
    assert "nba-ask" not in "".join(data["text/html"])
    lab.shut_down()
    (lab.folder / "saved-by-another.ipynb").write_text((lab.folder / name).read_text().replace("spread", "spread out"))
    for reopened in (name, "saved-by-another.ipynb"):
        lab.open(page, reopened, kernel=False, load=reopened == name)
        page.wait_for_selector(f".nbassist >> text={LAST}")
        assert "Not finished" in page.inner_text(".nba-footer")
        assert "row_count" in page.inner_text(".nba-call summary >> nth=0")
        assert "Loading widget" not in page.inner_text(".jp-Notebook")
        assert page.locator(".nba-live, .jp-OutputArea-output.jupyter-widgets, .nba-stop").count() == 0
        shots(page, f"saved-{reopened.removesuffix('.ipynb')}")


def test_a_kernel_killed_in_the_middle_leaves_text_and_no_dead_widget(
    lab_with_script: Any, page: Any, shots: Any
) -> None:
    lab = lab_with_script
    name = begin(lab, page, "killed.ipynb", PLAY)
    page.wait_for_function(FORM)
    os.kill(int((lab.folder / "pid").read_text()), signal.SIGKILL)
    page.wait_for_selector(".nba-live >> text=The kernel stopped")
    shots(page, "killed-1-live")
    save(lab, page, name)
    for anew in (True, False):  # beside the kernel that was started anew, and without one
        lab.open(page, name, kernel=False, load=anew)
        page.wait_for_selector(f".nbassist >> text={LAST}")
        assert "Loading widget" not in page.inner_text(".jp-Notebook")
        assert "No widget" not in page.inner_text(".jp-Notebook")
        assert page.locator(".nba-live").count() == 0
        lab.shut_down()
    shots(page, "killed-2-reopened")


def test_a_page_reloaded_in_the_middle_shows_what_was_saved(lab_with_script: Any, page: Any, shots: Any) -> None:
    lab = lab_with_script
    name = begin(lab, page, "reloaded.ipynb", PLAY)
    page.wait_for_function(FORM)
    save(lab, page, name)
    lab.open(page, name, kernel=False, load=True)
    page.wait_for_selector(f".nbassist >> text={LAST}")
    shots(page, "reloaded-1")
    (lab.folder / "go-saved").touch()
    page.wait_for_function(KERNEL_IDLE)
    lab.settle(page, ".nbassist")
    shots(page, "reloaded-2")
    assert LAST in page.inner_text(".nbassist")
    assert "Loading widget" not in page.inner_text(".jp-Notebook")
    lab.shut_down()


def test_the_file_s_form_comes_anew_without_a_move_on_the_page(lab_with_script: Any, page: Any) -> None:
    lab = lab_with_script
    begin(lab, page, "still.ipynb", PLAY)
    page.wait_for_selector(f".nba-live >> text={LAST}")
    lab.settle(page, ".nba-live")
    page.evaluate("""() => {
      window.live = document.querySelector('.nba-live');
      window.moved = new Set();
      const look = () => {
        const box = window.live.getBoundingClientRect();
        window.moved.add([window.live.isConnected, box.x, box.y, box.width, box.height].join(' '));
        requestAnimationFrame(look);
      };
      look();
    }""")
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('.nba-live h2'))")
    page.wait_for_function(FORM)
    lab.settle(page, ".nba-live")
    assert page.evaluate("window.moved.size") == 1
    assert page.locator(".nba-hidden mjx-container").count() == 0, "no time goes into formulas that no one sees"
    assert page.evaluate("getSelection().toString()").strip() == "How they are spread"
    (lab.folder / "go-saved").touch()
    page.wait_for_selector(".nba-live", state="detached")
    lab.shut_down()


def scroll(page: Any, to: str, until: str) -> None:
    """Scroll the notebook until something is so; Lab moves the page on its own, too, when cells come into view."""
    page.wait_for_function(
        f"() => {{ const e = document.querySelector('.jp-WindowedPanel-outer'); e.scrollTop = e.{to}; return {until} }}"
        if to != "0"
        else f"() => {{ document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; return {until} }}",
        polling=200,
    )
    page.wait_for_timeout(500)


# Cells are taken out of the page, or left in it unseen; in "full", and in Lab's own choice of old.
@pytest.mark.parametrize(
    "mode", ["full", "contentVisibility", *(pytest.param(one, marks=AGAIN) for one in ("defer", "none"))]
)
def test_scrolled_away_and_back_while_it_streams(lab_with_script: Any, page: Any, mode: str) -> None:
    lab, gone = lab_with_script, mode == "full"
    with lab.setting("notebook-extension/tracker", windowingMode=mode):
        cells = [SETUP + "play(view, conversation(4 * ANSWER), 110, gate='go-saved')"] + ["# a long cell\n" * 60] * 12
        lab.open(page, lab.write(f"windowed-{mode}.ipynb", *cells))
        page.click(".jp-Cell >> nth=0")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); return 1 }")
        page.wait_for_selector(".nba-live .nba-call >> nth=1")
        panel = page.locator(".nba-live .nba-call").nth(1)
        while panel.get_attribute("open") is None:  # what is sent whole in the middle of a click takes it
            panel.locator("summary").first.click()
            page.wait_for_timeout(300)
        for _ in range(6):  # the active cell is never taken out
            page.evaluate("() => { window.jupyterapp.commands.execute('notebook:move-cursor-down'); return 1 }")
        for _ in range(3):
            scroll(page, "scrollHeight", "!document.querySelector('.nba-live')?.checkVisibility()" if gone else "true")
            scroll(page, "0", "document.querySelector('.nba-live').checkVisibility()")
            page.wait_for_function("document.querySelectorAll('.nba-live').length === 1")
            page.wait_for_function("document.querySelectorAll('.nba-live .nba-call')[1]?.open")
        page.wait_for_function(
            "(document.querySelector('.nba-live')?.textContent.match(/Figures as of today/g) ?? []).length === 4",
            timeout=120_000,
        )
        scroll(page, "scrollHeight", "true")
        (lab.folder / "go-saved").touch()
        page.wait_for_function(KERNEL_IDLE)
        scroll(page, "0", "document.querySelector('.nbassist').checkVisibility()")
        page.wait_for_selector(".nbassist:not(.nba-live) .nba-footer >> text=14.2 s")
        assert page.locator(".nba-live, .nba-hidden").count() == 0
        lab.shut_down()


def test_where_outputs_stand_in_frames_of_their_own_the_widget_is_the_output(
    lab_with_script: Any, page: Any, shots: Any
) -> None:
    lab = lab_with_script
    name = begin(lab, page, "alone.ipynb", ALONE)
    page.wait_for_selector(f".nba-live >> text={LAST}")
    shots(page, "alone")
    assert "application/vnd.jupyter.widget-view+json" in save(lab, page, name)
    (lab.folder / "go-saved").touch()
    page.wait_for_selector(".nbassist:not(.nba-live) .nba-footer >> text=14.2 s")
    page.wait_for_selector(".nba-live", state="detached")
    lab.shut_down()


SWEEP = "from sweeping import *\nimport os\nopen('pid', 'w').write(str(os.getpid()))\n"
SWEEP += "r = sweep(Model(0.02, gate='go-saved'), 'Rate {{ item }}', vary={'temperature': [0, 1]}, "
SWEEP += "over=[f'Review {n}: the parcel came' for n in range(12)], jobs=4)\nr"
ROWS = "document.querySelector('.nba-hidden .nba-grid-standing')?.textContent.includes('Review 5')"


@pytest.fixture
def lab_with_sweep(lab_with_script: Any) -> Any:
    """The Lab, with the model of sweeps in its folder."""
    shutil.copy(HERE / "sweeping.py", lab_with_script.folder)
    return lab_with_script


def test_a_notebook_saved_in_the_middle_of_a_sweep_shows_the_rows_that_came(
    lab_with_sweep: Any, page: Any, shots: Any
) -> None:
    lab = lab_with_sweep
    name = begin(lab, page, "sweep-saved.ipynb", SWEEP)
    page.wait_for_function(ROWS)
    page.wait_for_selector(".nba-grid td[data-n='5'][data-state=done]")
    assert page.locator(".nba-grid").count() == 1
    assert page.is_hidden(".nba-grid-standing")
    shots(page, "sweep-saved-1-live")
    data = save(lab, page, name)
    assert set(data) == {"text/html", "text/plain"}
    assert "of 24 done" in "".join(data["text/plain"])
    assert "not finished" in "".join(data["text/plain"])
    (lab.folder / "sweep-half.ipynb").write_text((lab.folder / name).read_text().replace("parcel", "package"))
    (lab.folder / "go-saved").touch()
    page.wait_for_selector(".nba-grid-static .nba-grid")
    assert page.locator(".nba-hidden, .nba-grid-standing").count() == 0, "the grid that has ended stands in its place"
    assert "24 done" in "".join(save(lab, page, name)["text/plain"])
    lab.shut_down()
    lab.open(page, "sweep-half.ipynb", kernel=False)
    page.wait_for_selector(".nba-grid-standing >> text=Review 5")
    assert "not finished" in page.inner_text(".nba-footer")
    assert "Loading widget" not in page.inner_text(".jp-Notebook")
    assert page.locator(".nba-grid, .jp-OutputArea-output.jupyter-widgets").count() == 0
    shots(page, "sweep-saved-2-reopened")


def test_a_kernel_killed_in_the_middle_of_a_sweep_leaves_its_rows(lab_with_sweep: Any, page: Any, shots: Any) -> None:
    lab = lab_with_sweep
    name = begin(lab, page, "sweep-killed.ipynb", SWEEP)
    page.wait_for_function(ROWS)
    os.kill(int((lab.folder / "pid").read_text()), signal.SIGKILL)
    page.wait_for_selector(".nba-grid >> text=the kernel stopped")
    shots(page, "sweep-killed-1-live")
    save(lab, page, name)
    lab.shut_down()
    lab.open(page, name, kernel=False)
    page.wait_for_selector(".nba-grid-standing >> text=Review 5")
    assert "Loading widget" not in page.inner_text(".jp-Notebook")
    shots(page, "sweep-killed-2-reopened")


def test_the_form_of_a_sweep_comes_anew_without_a_move_on_the_page(lab_with_sweep: Any, page: Any) -> None:
    lab = lab_with_sweep
    begin(lab, page, "sweep-still.ipynb", SWEEP.replace("range(12)", "range(60)"))
    page.wait_for_selector(".nba-grid td[data-n='5'][data-state=done]")
    lab.settle(page, ".nba-grid")
    page.evaluate("""() => {
      window.grid = document.querySelector('.nba-grid');
      window.scroller = grid.querySelector('.nba-gscroll');
      scroller.focus();
      scroller.scrollTop = 700;
    }""")
    before = page.locator(".nba-grid").bounding_box()
    page.wait_for_function(ROWS)
    lab.settle(page, ".nba-grid")
    assert page.evaluate("window.grid.isConnected")
    assert page.evaluate("window.scroller.scrollTop") == 700
    assert page.evaluate("document.activeElement === window.scroller")
    assert page.locator(".nba-grid").bounding_box() == before
    (lab.folder / "go-saved").touch()
    page.wait_for_selector(".nba-grid-static .nba-grid")
    page.wait_for_selector(".nba-grid [role=status] >> text=120 done")
    assert page.evaluate("window.grid.isConnected && window.scroller.scrollTop") == 700
    lab.shut_down()
