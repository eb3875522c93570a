"""A real JupyterLab with folders of its own, and Chromium, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--force-color-profile=srgb"),
]
# What is open goes without a question, as it does when a page is closed.
CLOSE_ALL = """() => {
  for (const dialog of document.querySelectorAll('.jp-Dialog')) return false;
  for (const one of [...jupyterapp.shell.widgets('main')]) one.dispose();
  return !document.querySelector('.jp-Notebook');
}"""
OPEN = "path => { window.jupyterapp.commands.execute('docmanager:open', { path }); return 1 }"
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
           "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "NBASSIST_CONFIG_DIR", "NBASSIST_DATA_DIR")  # fmt: skip
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
KERNEL_IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
# Running resolves only when the last cell has ended, so it is never awaited; prompts show when cells are done.
NUMBERED = r"""() => {
  const cells = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent);
  return cells.length && cells.every(text => /\[\d+\]/.test(text));
}"""
# One more of what another one shows as well.
AGAIN = pytest.mark.torture
# In frames as well as in time: on a busy machine both the page and what moves it are late. MathJax moves things, too.
SETTLED = """selector => new Promise(done => {
  let last = "", frames = 0, since = performance.now();
  const look = () => {
    const box = document.querySelector(selector)?.getBoundingClientRect();
    const now = [box?.x, box?.y, box?.width, box?.height, document.querySelectorAll("mjx-container").length].join();
    if (now !== last) { last = now; frames = 0; since = performance.now(); }
    frames += 1;
    if (box && frames > 25 && performance.now() - since > 600) done(true);
    else requestAnimationFrame(look);
  };
  look();
})"""


def free_port() -> int:
    """Return a port on loopback that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A running JupyterLab: its folder of notebooks, its address, and what a person does in it."""

    def __init__(self, url: str, folder: Path, settings: Path) -> None:
        self.url, self.folder, self._settings = url, folder, settings
        self._changed = False  # what is set counts from the next load of a page

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells; return its name."""
        notebook = {
            "cells": [
                {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None}
                | {"source": source}
                for n, source in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.folder / name).write_text(json.dumps(notebook), encoding="utf-8")
        return name

    def read(self, name: str) -> dict[str, Any]:
        """Return a notebook as it is on disk."""
        return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))

    def open(self, page: Any, name: str, *, kernel: bool = True, theme: str = "light", load: bool = False) -> None:
        """Open a notebook; with `kernel` wait until it is idle.

        A page that shows this JupyterLab closes what is open and opens the notebook: to load all of JupyterLab takes
        ten times as long. With `load` it is loaded anew, as by a person who comes back on another day.
        """
        if load or not self.shown_in(page) or not self.close_all(page):
            page.goto(f"{self.url}/lab/tree/{name}?reset")
            self._changed = False
        else:
            page.evaluate(OPEN, name)
        if kernel:
            page.wait_for_function(KERNEL_IDLE, timeout=120_000)
        else:
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.evaluate("() => { const a = window.jupyterapp; a.shell.collapseLeft(); return 1 }")
        title = "JupyterLab Dark" if theme == "dark" else "JupyterLab Light"
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", title)
        page.wait_for_function(
            "dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg=theme == "dark", timeout=30_000
        )

    def shown_in(self, page: Any) -> bool:
        """Say whether a page shows this JupyterLab, as it is now set."""
        return not self._changed and bool(page.url.startswith(f"{self.url}/lab/"))

    def close_all(self, page: Any) -> bool:
        """Close what is open in a page that shows this JupyterLab; say whether it can go on with it."""
        return bool(page.evaluate(CLOSE_ALL))

    def start(self, page: Any) -> None:
        """Run all cells without waiting for them."""
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); return 1 }")

    def run_all(self, page: Any, timeout: float = 120) -> None:
        """Run all cells and wait until each has ended."""
        self.start(page)
        page.wait_for_function(NUMBERED, timeout=timeout * 1000)

    def settle(self, page: Any, selector: str) -> None:
        """Wait until an element stays where it is: Lab scrolls and lays out on its own time."""
        page.wait_for_function(SETTLED, arg=selector)

    def save(self, page: Any) -> None:
        """Save the notebook."""
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    @contextmanager
    def setting(self, plugin: str, **values: Any) -> Iterator[None]:
        """Set what a plugin of JupyterLab does, such as ``notebook-extension/tracker``, on pages opened meanwhile."""
        file = self._settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
        self._changed = True
        try:
            yield
        finally:
            file.unlink()
            self._changed = True

    def shut_down(self) -> None:
        """Shut all kernels down, so that a notebook opens without one."""
        for session in self._request("GET", "/api/sessions"):
            self._request("DELETE", f"/api/sessions/{session['id']}")

    def _request(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/status", timeout=2):
            return True
    except OSError:
        return False


def _frontend(folder: Path) -> Path:
    """Return a folder of Jupyter's with the extensions of this very tree, whichever are installed."""
    tree = Path(__file__).parent.parent.parent / "nbassist" / "frontend"
    shutil.copytree(tree / "lab", folder / "labextensions" / "nbassist")
    shutil.copytree(tree / "classic", folder / "nbextensions" / "nbassist")
    return folder


@contextmanager
def running_lab(home: Path, folder: Path, **environ: str) -> Iterator[Lab]:
    """Run a JupyterLab on loopback without a token; its folders and ours are in `home`, its notebooks in `folder`.

    The kernels have the variables of `environ`, too.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "NBASSIST"))}
    environment |= {name: str(home / name) for name in FOLDERS}
    environment |= {"JUPYTER_PATH": str(_frontend(home / "frontend"))} | environ
    settings = home / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS), encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.disable_check_xsrf=True"]  # so that tests may shut kernels down
    command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while not _answers(url):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start: {(home / 'lab.log').read_text()[-2000:]}")
                time.sleep(0.2)
            yield Lab(url, folder, home / "JUPYTERLAB_SETTINGS_DIR")
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def running_chromium() -> Iterator[Any]:
    """Run a Chromium without a window: Debian's where there is one, else Playwright's own."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=120_000)
        try:
            yield browser
        finally:
            browser.close()
