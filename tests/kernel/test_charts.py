"""Charts of the libraries that people use, drawn by the libraries themselves."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.kernel
WIDGET = "application/vnd.jupyter.widget-view+json"
CHARTS = {
    "altair": (
        "import altair, pandas",
        "data = pandas.DataFrame({'month': ['a', 'b'], 'sales': [3, 4]})\n"
        "    return altair.Chart(data, title='Sales').mark_bar().encode(x='month', y='sales')",
        "an altair Chart “Sales”",
    ),
    "plotly": (
        "import plotly.graph_objects as go",
        "return go.Figure(go.Bar(x=['a', 'b'], y=[3, 4]), {'title': {'text': 'Profit'}})",
        "a Plotly figure “Profit”",
    ),
    "bokeh": (
        "from bokeh.io import output_notebook\nfrom bokeh.plotting import figure, show\n"
        "output_notebook(hide_banner=True)",
        "plot = figure(title='Cost')\n    plot.line([1, 2], [3, 4])\n    show(plot)",
        "a Bokeh plot",
    ),
    "folium": ("import folium", "return folium.Map(location=[60, 10])", "a page in a frame"),
}
PAGE = {"text/html", "application/vnd.plotly.v1+json", "application/vnd.bokehjs_exec.v0+json"}
DRAWN = {"altair", "plotly"}
"""Those that have a picture made without a browser of their own to be set up: by vl-convert, by kaleido."""


@pytest.mark.parametrize("library", CHARTS)
def test_a_chart_is_live_below_and_a_picture_or_words_in_the_saved_reply(
    kernel: Any, model: Any, told: Any, library: str
) -> None:
    pytest.importorskip(library, reason="the extra dev is not installed")
    before, body, words = CHARTS[library]
    # A first picture by Plotly's library starts a browser, and what a chart says of itself is imported with the first:
    # not within the usual limits where much else runs.
    patience = "import nbassist.tools.results.figures as figures\nfigures._SECONDS = 120\n"
    patience += "import nbassist.tools.execute as execute\nexecute._SECONDS = 120\n"
    ran = kernel.run(f"{patience}{before}\n@tool\ndef chart():\n    'Draw.'\n    {body}")
    assert ran.error is None, ran.error
    model([("chart", {})], "There it is.")
    ran = kernel.run("%%assistant\nDraw it.", cell="a")
    assert ran.error is None, ran.error
    kernel.run("reply = _")
    saved, below = (data for data in ran.displays.values() if WIDGET not in data)
    assert PAGE & set(below)
    assert words in told()[-1]
    assert ": shown to the person]" in told()[-1]
    if library not in DRAWN:
        assert f"{words}, shown below while it is live" in saved["text/html"]
    assert "<script" not in saved["text/html"]
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', saved["text/html"])
    assert bool(pictures) == (library in DRAWN)
    sent = kernel.run("[len(one.images) for one in reply.events if getattr(one, 'images', ())]").result
    assert sent == ("[1]" if library in DRAWN else "[]")
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert min(image.size) > 50
            assert len(image.convert("RGB").getcolors(100_000) or ()) > 1, "a chart is no blank page"
