"""`%assistant doctor` in a real JupyterLab: it asks the browser itself."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser
SETUP = """
%load_ext nbassist
%config NbAssist.profile = 'vllm'
from nbassist.display.live import frontend_check
frontend_check.answered.__defaults__ = (60.0,)  # for the browser, on a busy machine
"""


def test_widgets_and_clicks_are_found_to_work_and_the_probe_is_gone(lab: Any, page: Any) -> None:
    name = lab.write("doctor.ipynb", SETUP, "%assistant doctor")
    lab.open(page, name)
    lab.run_all(page)
    shown = page.inner_text(".jp-Notebook")
    assert "are heard while a cell runs" in shown
    assert "works: a person can be asked" in shown
    assert "run: vllm serve MODEL" in shown
    assert page.locator(".jp-OutputArea-child").count() == 1
