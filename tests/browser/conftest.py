"""Fixtures for tests in a real JupyterLab: `lab`, `browser`, `page` and `shots`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lab_harness import Lab, running_chromium, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab on loopback without a token, with its own Jupyter folders, for the whole test run."""
    with running_lab(tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")) as lab:
        yield lab


@pytest.fixture(scope="module")  # Playwright keeps an event loop running: no test elsewhere may meet it
def browser() -> Iterator[Any]:
    """A Chromium for the whole test run."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page; `page.requests` lists the addresses that it asked for."""
    context = browser.new_context(viewport={"width": 1100, "height": 1250})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    yield page
    context.close()


@pytest.fixture
def shots(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[Any, str], Path]:
    """A function that takes a screenshot and keeps it in the folder NBASSIST_SHOTS, or in the test's own."""
    folder = Path(os.environ.get("NBASSIST_SHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(page: Any, name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        return path

    return shoot
