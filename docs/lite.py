"""The tour in a browser, with nothing installed: a static site of JupyterLite that any web space can serve.

    python docs/lite.py OUTPUT

Python itself (Pyodide) comes from its npm package, nbassist from this folder, what it needs from the package index: all
of that lies in the site. Of Pyodide's own distribution only what is compiled and is in no index, nh3 among it, is
fetched by the page, from the address that Pyodide publishes it at. The notebooks answer by their recorded replies; a
prompt that is not recorded needs an endpoint that allows the page.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from jupyterlite_pyodide_kernel.constants import PYODIDE_CDN_URL, PYODIDE_VERSION
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PLATFORM = "pyemscripten_2026_0_wasm32"
TOUR = ("quickstart", "tools", "threads")
"""Those that need no process, no server of their own, and no person's answer, which is another each time."""
REPLIES = "/lib/python3.14/site-packages/nbassist_tour/replies.jsonl"
KERNEL = ("comm", "httpx2", "httpx2-jsfetch", "ipython", "jedi", "micropip", "packaging", "traitlets")
"""What the kernel needs, and how the SDK asks in a browser."""
LEFT_OUT = frozenset(("h11", "httpcore2", "nh3", "pexpect", "ptyprocess", "truststore", "widgetsnbextension"))
"""What has no use there: sockets, terminals, the page's own part of the widgets; nh3 is Pyodide's to bring."""
BROWSER = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_system": "Emscripten",
    "python_full_version": "3.14.2",
    "python_version": "3.14",
    "sys_platform": "emscripten",
    "extra": "",
}
"""What markers of requirements are held against."""


def run(*words: str | Path, folder: Path = ROOT) -> None:
    """Run a command; what it said is shown where it fails."""
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words[:5]))} … failed:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")


def fetch_pyodide(folder: Path) -> Path:
    """Return the folder of Pyodide's core, from its npm package."""
    run("npm", "pack", "--silent", f"pyodide@{PYODIDE_VERSION}", folder=folder)
    with tarfile.open(folder / f"pyodide-{PYODIDE_VERSION}.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def fetch_wheels(folder: Path) -> list[Path]:
    """Return the wheels of nbassist and of what it needs in a browser."""
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "-w", folder, ROOT)
    [ours] = folder.glob("nbassist-*.whl")
    needed = {name: str(one) for one in requirements(ours) if (name := canonicalize_name(one.name)) not in LEFT_OUT}
    only = ("--only-binary", ":all:", "--platform", PLATFORM, "--python-version", "3.14", "--abi", "cp314")
    run(*pip, "download", *only, "--implementation", "cp", "-d", folder, *needed.values(), *KERNEL)
    return [wheel for wheel in sorted(folder.glob("*.whl")) if name_of(wheel) not in LEFT_OUT]


def requirements(wheel: Path) -> list[Requirement]:
    """Return what a wheel requires in a browser."""
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = HeaderParser().parsestr(archive.read(path).decode()).get_all("Requires-Dist") or []
    found = map(Requirement, said)
    return [one for one in found if one.marker is None or one.marker.evaluate(BROWSER)]


def name_of(wheel: Path) -> str:
    return parse_wheel_filename(wheel.name)[0]


def write_replies(folder: Path) -> Path:
    """Write a wheel of the tour's recorded replies: a package is there with the kernel, a file of the page later."""
    wheel = folder / "nbassist_tour-1-py3-none-any.whl"
    lines: dict[str, None] = {}
    for name in TOUR:
        kept = ROOT / "notebooks" / f"{name}.replies.jsonl"
        lines |= dict.fromkeys(kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ())
    about = "Metadata-Version: 2.1\nName: nbassist-tour\nVersion: 1\n"
    kind = "Wheel-Version: 1.0\nGenerator: nbassist\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nbassist_tour/__init__.py", "")
        archive.writestr("nbassist_tour/replies.jsonl", "\n".join(lines) + "\n")
        archive.writestr("nbassist_tour-1.dist-info/METADATA", about)
        archive.writestr("nbassist_tour-1.dist-info/WHEEL", kind)
        archive.writestr("nbassist_tour-1.dist-info/RECORD", "")
    return wheel


def entry(wheel: Path) -> dict[str, Any]:
    """Return what Pyodide's lock file says of a package.

    Source: https://pyodide.org/en/stable/development/abi.html and the lock file itself
    """
    name, version, *_ = parse_wheel_filename(wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        modules = {path.partition("/")[0].removesuffix(".py") for path in archive.namelist() if path.endswith(".py")}
    needs = (canonicalize_name(one.name) for one in requirements(wheel))
    return {
        "name": name,
        "version": str(version),
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(module for module in modules if "." not in module),
        "depends": [one for one in needs if one not in LEFT_OUT or one == "nh3"],
        "unvendored_tests": False,
        "tool": {},
    }


def write_pyodide(core: Path, wheels: list[Path], folder: Path) -> None:
    """Put Pyodide and the wheels into a folder, with a lock file that names what lies there and what does not."""
    folder.mkdir(parents=True)
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"):
        shutil.copy(core / name, folder)
    lock = json.loads((core / "pyodide-lock.json").read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        package["file_name"] = f"{PYODIDE_CDN_URL}/{package['file_name']}"
    for wheel in wheels:
        shutil.copy(wheel, folder)
        lock["packages"][name_of(wheel)] = entry(wheel)
    (folder / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def write_contents(folder: Path) -> None:
    """Put the tour into a folder."""
    folder.mkdir()
    shutil.copytree(ROOT / "notebooks" / "data", folder / "data")
    for name in TOUR:
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", folder)


def settings() -> dict[str, Any]:
    """Return the site's settings: nbassist is there when the kernel is, and answers by what was recorded."""
    environment = {"NBASSIST_CACHE": "auto", "NBASSIST_REPLIES": REPLIES}
    kernel = {"loadPyodideOptions": {"packages": ["nbassist", "nbassist-tour"], "env": environment}}
    page = {
        "appName": "nbassist",
        "exposeAppInBrowser": True,
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
    }
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": page}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the folder of the site; what is in it is replaced")
    output = parser.parse_args().output.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("npm", "wheels", "lite"):
            (folder / name).mkdir()
        wheels = [*fetch_wheels(folder / "wheels"), write_replies(folder)]
        write_pyodide(fetch_pyodide(folder / "npm"), wheels, folder / "lite" / "static" / "pyodide")
        write_contents(folder / "contents")
        (folder / "lite" / "jupyter-lite.json").write_text(json.dumps(settings()), encoding="utf-8")
        shutil.rmtree(output, ignore_errors=True)
        lite = (sys.executable, "-m", "jupyterlite_core", "build", "--no-sourcemaps", "--apps", "lab", "--apps", "tree")
        run(*lite, "--contents", folder / "contents", "--output-dir", output, folder=folder / "lite")


if __name__ == "__main__":
    main()
