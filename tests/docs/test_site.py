"""The documentation: it builds in strict mode, nothing in it points nowhere or to another machine, and it is true."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

pytest.importorskip("mkdocs", reason="the documentation needs the extra docs")
ROOT = Path(__file__).parent.parent.parent
OURS = ("http://127.0.0.1", "http://localhost")


class Page(HTMLParser):
    """The ids, links and loaded things of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(filter(None, (values.get("id"), values.get("name"))))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "preconnect", "preload", "icon"):
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(where)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return where


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def inner(pages: dict[Path, Page]) -> Iterator[tuple[Path, str, Path, str]]:
    """Yield (page, link, file, fragment) of each link within the site."""
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            if re.match(r"[a-z]+:", link) or link.startswith("//"):
                continue
            address, fragment = urldefrag(link)
            target = (path.parent / unquote(address)).resolve() if address else path
            yield path, link, target / "index.html" if target.is_dir() else target, unquote(fragment)


def test_no_link_points_nowhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, link, target, fragment in inner(pages):
        if path.name == "404.html":
            continue  # it is served from anywhere, and its links are absolute
        if not target.exists() or (fragment and target in pages and fragment not in pages[target].ids):
            broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_another_machine(site: Path, pages: dict[Path, Page]) -> None:
    foreign = {link for page in pages.values() for link in page.loaded if re.match(r"(https?:)?//", link)}
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert foreign == set()
    assert not re.search(r"@import|url\(['\"]?https?:", styles)


def test_each_command_flag_and_notebook_is_in_it(site: Path) -> None:
    from nbassist.magics.commands import COMMANDS
    from nbassist.magics.line.flags import parser

    magics = (site / "magics.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"%assistant {name}</code>" not in magics] == []
    flags = [flag for action in parser()._actions for flag in action.option_strings]
    assert [flag for flag in flags if flag not in magics] == []
    tour = {path.stem for path in (site / "tour").glob("*.html")}
    assert tour == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_search_has_a_document_for_each_message_and_the_page_no_list_of_all_beside_it(
    site: Path, pages: dict[Path, Page]
) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    said = {one["title"]: one["location"] for one in index if one["location"].startswith("messages.html#")}
    assert len(said) > 250
    [where] = {place for title, place in said.items() if "the cell is empty: write the prompt" in title}
    page = pages[site / "messages.html"]
    assert where.partition("#")[2] in page.ids
    beside = re.search(
        r'<nav class="md-nav md-nav--secondary".*?</nav>\s*</div>',
        (site / "messages.html").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert beside is not None
    assert "UsageError" in beside[0]
    assert "the cell is empty" not in beside[0]


def test_the_drawing_shows_each_room_and_is_the_same_each_time() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import drawing
    finally:
        sys.path.remove(str(ROOT / "docs"))
    package = ROOT / "nbassist"
    first = drawing.svg(package)
    assert first == drawing.svg(package)
    for room in ("magics", "assistant", "run", "backends", "display", "tools", "journal", "sweep", "server"):
        assert f">{room}</text>" in first
    graph = drawing.imports(package)
    rows = drawing.layers(graph)
    height = {name: number for number, row in enumerate(rows) for name in row}
    pointing_up = {(a, b) for a in graph for b in graph[a] if height[a] >= height[b]}
    assert pointing_up <= {("magics", "__init__")}


def test_each_message_of_the_troubleshooting_stands_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nbassist").rglob("*.py"))
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    pieces = [piece.strip() for head in re.findall(r"^### `(.+)`$", text, re.M) for piece in head.split("…")]
    assert len(pieces) > 12
    assert [piece for piece in pieces if piece not in code] == []


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("%%assistant\nWhich?", "text"),
        ("%load_ext nbassist", "text"),
        ("%load_ext nbassist\nreviews = ['good']", "python"),
        ("reviews = ['good']\n%assistant log", "python"),
    ],
)
def test_a_cell_of_the_tour_is_coloured_as_python_where_it_holds_any(source: str, language: str) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import site_pages
    finally:
        sys.path.remove(str(ROOT / "docs"))
    assert site_pages.language(source) == language
