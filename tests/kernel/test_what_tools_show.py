"""What a tool shows is shown: live below the panel where only a page can draw it, as a picture or in words in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
WIDGET = "application/vnd.jupyter.widget-view+json"
VEGA = "application/vnd.vegalite.v5+json"
CHART = (
    "class Chart:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n"
    f"        return {{{VEGA!r}: {{'mark': 'bar', 'title': 'Sales by month'}}, 'text/plain': 'Chart(...)'}}\n"
)
SHOWN = {
    "a chart": (CHART, "return Chart()", VEGA, "a Vega-Lite chart “Sales by month”"),
    "a chart that is displayed": (CHART, "display(Chart())", VEGA, "a Vega-Lite chart “Sales by month”"),
    "a widget": ("import ipywidgets", "return ipywidgets.IntSlider()", WIDGET, "a widget"),
    "a sound": (
        "from IPython.display import Audio",
        "return Audio(data=b'RIFF' + bytes(40), rate=8000)",
        "text/html",
        "a sound",
    ),
    "a page": (
        "from IPython.display import HTML",
        "return HTML('<p>a map</p><script>draw()</script>')",
        "text/html",
        "HTML with scripts",
    ),
    "a frame": (
        "from IPython.display import IFrame",
        "return IFrame('https://example.org', 100, 100)",
        "text/html",
        "a page in a frame",
    ),
    "figures of Plotly": (
        "class Figure:\n    def _ipython_display_(self):\n        display({'application/vnd.plotly.v1+json': "
        "{'data': [], 'layout': {'title': {'text': 'Profit'}}}, 'text/html': '<script>x</script>'}, raw=True)",
        "return Figure()",
        "application/vnd.plotly.v1+json",
        "a Plotly figure “Profit”",
    ),
}


@pytest.fixture
def shown(kernel: Any, model: Any, told: Any) -> Any:
    """Have the model call a tool with this body; return what it is told and the cell."""

    def calling(before: str, body: str, mark: str = "@tool", **how: Any) -> tuple[str, Any]:
        ran = kernel.run(f"{before}\n{mark}\ndef show():\n    'Show.'\n    {body}")
        assert ran.error is None, ran.error
        model([("show", {})], "There it is.")
        ran = kernel.run("%%assistant\nShow it.", cell="a", **how)
        assert ran.error is None, ran.error
        return told()[-1], ran

    return calling


@pytest.mark.parametrize("person", [True, False], ids=["live", "nobody there"])
@pytest.mark.parametrize(("before", "body", "mime", "words"), SHOWN.values(), ids=SHOWN)
def test_what_only_a_page_can_draw_stands_below_and_in_words_in_the_panel(
    shown: Any, before: str, body: str, mime: str, words: str, person: bool
) -> None:
    output, ran = shown(before, body, person=person)
    reply, below = ran.displays.values()
    assert mime in below
    assert "There it is." in reply["text/html"]
    assert f"{words}, shown below while it is live" in reply["text/html"]
    assert "<script" not in reply["text/html"]
    assert f"[{words}: shown to the person]" in output


def test_a_library_that_draws_makes_the_picture_for_the_file_and_for_the_model(shown: Any, kernel: Any) -> None:
    drawn = (
        "import sys, types\nmade = types.ModuleType('vl_convert')\n"
        "made.vegalite_to_png = lambda spec: b'\\x89PNG\\r\\n\\x1a\\n' + spec.encode()\n"
        "made.__spec__ = __import__('importlib.machinery', fromlist=['x']).ModuleSpec('vl_convert', None)\n"
        "sys.modules['vl_convert'] = made\n"
    )
    _, ran = shown(CHART + drawn, "return Chart()")
    kernel.run("reply = _\ndel sys.modules['vl_convert']")
    reply, below = ran.displays.values()
    assert VEGA in below
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode().rstrip("=")[:10]
    assert f'src="data:image/png;base64,{picture}' in reply["text/html"]
    images = kernel.run("[one.images[0].data[:4] for one in reply.events if getattr(one, 'images', ())]").result
    assert images == "[b'\\x89PNG']"


def test_what_comes_from_outside_runs_no_script_in_the_page(shown: Any) -> None:
    output, ran = shown(
        "from IPython.display import HTML", "return HTML('<script>draw()</script>')", mark="@tool(untrusted=True)"
    )
    assert len(ran.displays) == 1
    assert "HTML with scripts, not shown" in ran.html
    assert "shown to the person" not in output


def test_a_widget_that_was_shown_lives_on(shown: Any, kernel: Any) -> None:
    _, ran = shown("import ipywidgets\nslider = ipywidgets.IntSlider()", "return slider")
    below = [data for data in ran.displays.values() if WIDGET in data][-1]
    assert kernel.run("slider.model_id").result.strip("'") == below[WIDGET]["model_id"]
    closed = [m["content"]["comm_id"] for m in ran.messages if m["msg_type"] == "comm_close"]
    assert below[WIDGET]["model_id"] not in closed
