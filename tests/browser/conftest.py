"""Fixtures for tests in a real JupyterLab: `lab`, `browser`, `page` and `shots`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lab_harness import Lab, running_chromium, running_lab

FAILED = pytest.StashKey[bool]()
VIEWPORT = {"width": 1100, "height": 1250}


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


def _new_page(browser: Any) -> Any:
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.set_default_timeout(60_000)
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    return page


@pytest.fixture
def fresh_page(browser: Any) -> Iterator[Any]:
    """A page that no other test has; `page.requests` lists the addresses that it asked for."""
    page = _new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def _kept(browser: Any) -> Iterator[list[Any]]:
    """The page that the tests of a module share, as long as none of them fails."""
    kept: list[Any] = []
    yield kept
    for page in kept:
        page.context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Remember that a test failed, for what it leaves behind."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture
def page(browser: Any, _kept: list[Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page as a new one, but that JupyterLab may be loaded in it already, with no notebook open."""
    if not _kept:
        _kept.append(_new_page(browser))
    page = _kept[0]
    page.requests.clear()
    yield page
    lab = request.getfixturevalue("lab") if "lab" in request.fixturenames else None
    if request.node.stash.get(FAILED, False) or not _as_new(page, lab):
        _kept.remove(page)
        page.context.close()
    if lab:
        lab.shut_down()


def _as_new(page: Any, lab: Lab | None) -> bool:
    """Take back what a test set and close what it opened; say whether another may have the page."""
    page.unroute_all(behavior="ignoreErrors")
    page.context.unroute_all()
    page.context.clear_permissions()
    page.set_viewport_size(VIEWPORT)
    page.emulate_media(reduced_motion="null", color_scheme="null")
    return not lab or not lab.shown_in(page) or lab.close_all(page)


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
