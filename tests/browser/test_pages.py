"""The saved reply on the pages of others: under the style sheets of their sites, in light and dark, it reads well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from host_pages import BESIDE, HOSTS, OWN

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
