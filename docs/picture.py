"""Take the picture that stands in the README: the quickstart, as JupyterLab shows it. `make picture` runs this."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from lab_harness import running_chromium, running_lab  # noqa: E402

WIDTH, COLOURS = 1060, 64  # pixels: the longest line of the notebook fits
FIRST_CELL = 5  # the cell with the tool


def main() -> None:
    """Open the saved notebook without a kernel, open the panel of the call, and keep what is seen of it."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "notebooks" / "quickstart.ipynb", folder)
        with running_lab(Path(home), Path(folder)) as lab, running_chromium() as browser:
            page = browser.new_page(viewport={"width": WIDTH, "height": 1600}, device_scale_factor=1.5)
            lab.open(page, "quickstart.ipynb", kernel=False)
            page.wait_for_selector(".nbassist .nba-footer")
            page.locator(".nba-call summary").first.click()
            page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; return 1 }")
            page.evaluate("() => document.activeElement.blur()")
            cells = page.locator(".jp-Notebook .jp-Cell")
            cells.nth(FIRST_CELL).scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            top = cells.nth(FIRST_CELL).bounding_box()
            assert top is not None
            notebook = page.locator(".jp-NotebookPanel").first.bounding_box()
            assert notebook is not None
            bottom = page.locator(".nbassist .nba-footer").first.bounding_box()
            assert bottom is not None
            end = bottom["y"] + bottom["height"] + 12
            clip = {"x": notebook["x"], "y": top["y"], "width": notebook["width"], "height": end - top["y"]}
            shot = page.screenshot(clip=clip)
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    target = ROOT / "docs" / "lab.png"
    picture.save(target, optimize=True)
    size = f"{picture.width} x {picture.height}, {target.stat().st_size / 1000:.0f} KB"
    sys.stdout.write(f"{target.relative_to(ROOT)}: {size}\n")


if __name__ == "__main__":
    main()
