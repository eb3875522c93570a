"""The saved reply on the pages of others: under the style sheets of their sites, in light and dark, it reads well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from host_pages import BESIDE, HOSTS, OWN, run

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
CODE = ".highlight pre span, a"  # the colours of code and of links are the host's
# Right-to-left lists hang over by their own margins where a host gives them some.
WIDER = "[...document.querySelectorAll('.nbassist')].filter(e => e.scrollWidth > e.clientWidth + 1 && "
WIDER += "!e.matches('.nba-grid-static') && !e.querySelector('[dir=auto] li')).map(e => e.innerText.slice(0, 80))"
# What a host draws beside the line of a panel, where our own triangle stands.
DRAWN = """[...document.querySelectorAll('.nbassist summary')].flatMap(e => ['::before', '::after'].map(p => {
  const style = getComputedStyle(e, p);
  const masked = style.maskImage.startsWith('linear-gradient(rgba(0, 0, 0, 0)');
  const hidden = style.content === 'none' || style.display === 'none' || masked;
  return hidden ? '' : `${p} ${style.content} ${style.maskImage.slice(0, 60)}`;
})).filter(Boolean)"""
TRIANGLES = """[...document.querySelectorAll('.nbassist summary')].map(e => {
  const style = getComputedStyle(e);
  return style.display === 'list-item' && style.listStyleType.startsWith('disclosure');
})"""
SCHEME = """name => {
  if (document.body.dataset.mdColorScheme) document.body.dataset.mdColorScheme = name;
}"""
SIZES = """[...document.querySelectorAll('.nbassist p, .nbassist summary, .nbassist td, .nbassist pre')]
  .filter(e => e.innerText.trim()).map(e => parseFloat(getComputedStyle(e).fontSize))"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that gives the page of a host, built once."""
    pages: dict[str, Path] = {}

    def build(host: str) -> Path:
        if host not in OWN and not BESIDE.exists():
            # Each brings dozens of packages, some of which hold ours back: they have an environment of their own.
            pytest.skip("the builders of others are installed by `make pages`")
        if host not in pages:
            pages[host] = HOSTS[host](tmp_path_factory.mktemp(host))
        return pages[host]

    return build


@pytest.mark.parametrize("host", HOSTS)
def test_a_saved_reply_reads_well_on_the_pages_of_others(built: Any, page: Any, shots: Any, host: str) -> None:
    path = built(host)
    page.set_viewport_size({"width": 1100, "height": 5200})
    page.route(lambda url: not url.startswith("file:"), lambda route: route.abort())  # what a host loads from afar
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(path.as_uri())
        page.wait_for_selector(".nbassist")
        # What a reader of Material chooses by a button; its script does it for a page that comes from a server.
        page.evaluate(SCHEME, {"light": "default", "dark": "slate"}[theme])
        page.wait_for_timeout(300)
        shots(page, f"pages-{host}-{theme}")
        assert page.locator(".nbassist").count() > 10
        assert page.evaluate(CONTRAST, [".nbassist", 4.5, CODE]) == [], theme
        assert page.evaluate(WIDER) == []
        assert page.evaluate(DRAWN) == []
        assert set(page.evaluate(TRIANGLES)) == {True}
        assert min(page.evaluate(SIZES)) >= 10
        assert max(page.evaluate(SIZES)) <= 20
    panel = page.locator(".nbassist details:has-text('row_count'):not(details details)").first
    assert panel.locator("pre").first.is_hidden()
    panel.locator("summary").first.click()
    assert panel.locator("pre").first.is_visible()
    page.set_viewport_size({"width": 500, "height": 800})
    shots(page, f"pages-{host}-narrow")
    assert page.evaluate(WIDER) == []


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of our own documentation that are notebooks."""
    site = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-d", site, cwd=HERE.parent.parent)
    return sorted((site / "tour").glob("*.html"))


OURS = ".nb-output pre:not(.nbassist *)"
SIDES = """[...document.querySelectorAll('.nb-output table.dataframe, .nb-output table.dataframe :is(td, th)')]
  .map(e => getComputedStyle(e)).map(s => [s.borderLeftWidth, s.borderRightWidth, s.textAlign].join(' '))"""
OF_TEXT = "[...document.querySelectorAll('OURS')].map(e => getComputedStyle(e).fontSize)".replace("OURS", OURS)


def test_what_stands_below_the_cells_of_the_tour_looks_right_in_our_documentation(
    tour: list[Path], page: Any, shots: Any
) -> None:
    page.set_viewport_size({"width": 1100, "height": 5200})
    page.route(lambda url: not url.startswith("file:"), lambda route: route.abort())
    texts, sides = set(), set()
    for path in tour:
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.goto(path.as_uri())
            page.evaluate(SCHEME, {"light": "default", "dark": "slate"}[theme])
            page.wait_for_timeout(300)
            shots(page, f"tour-{path.stem}-{theme}")
            assert page.evaluate(CONTRAST, [".nb-output", 4.5, CODE]) == [], (path.stem, theme)
            assert page.evaluate(WIDER) == [], path.stem
        texts |= set(page.evaluate(OF_TEXT))
        sides |= set(page.evaluate(SIDES))
        code = page.locator(".highlight code").first.evaluate("e => getComputedStyle(e).fontSize")
        assert set(page.evaluate(OF_TEXT)) <= {code}, "what a cell gives is as large as the cell"
    assert texts, "there are cells that give text"
    assert sides == {"0px 0px right"}, "tables of pandas, whose numbers stand below each other"
