"""Charts that a tool drew: matplotlib's figures, and pictures of what only a page can draw, where one can be made."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import sys
from collections.abc import Mapping
from typing import Any

from ...core.events import MimeBundle
from ...core.mime import needs_page
from ..guards import within
from .result import bounded_bundle


def open_figures() -> frozenset[int]:
    """Return the numbers of the figures that are open; matplotlib is not imported for it."""
    pyplot = _inline_pyplot()
    return frozenset() if pyplot is None else frozenset(pyplot.get_fignums())


def take_new(before: frozenset[int], returned: Any) -> tuple[MimeBundle, ...]:
    """Close the figures opened since, so that the cell does not show them again, and return what they show.

    The one that the tool returned is closed too, but left out: it is shown as the result.
    """
    pyplot = _inline_pyplot()
    if pyplot is None:
        return ()
    drawn = []
    for number in sorted(set(pyplot.get_fignums()) - before):
        figure = pyplot.figure(number)
        if figure is not returned:
            drawn.append(bundle_of_figure(figure))
        # An open figure of the inline backend is shown at the end of the cell, once more.
        pyplot.close(figure)
    return tuple(drawn)


def is_figure(value: Any) -> bool:
    """Whether it is a figure of matplotlib."""
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def bundle_of_figure(figure: Any) -> MimeBundle:
    """Return a figure as PNG; one that can't be drawn as its error."""
    drawn = io.BytesIO()
    try:
        figure.savefig(drawn, format="png", bbox_inches="tight")
    except Exception as error:  # noqa: BLE001 - what is in it is the person's; the tool itself did not fail
        return {"text/plain": f"{figure} can't be drawn: {type(error).__name__}: {error}"}
    return bounded_bundle({"image/png": drawn.getvalue(), "text/plain": str(figure)})


def _inline_pyplot() -> Any:
    """`matplotlib.pyplot` where it draws into cells; elsewhere its figures are windows, and stay."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or "inline" not in str(pyplot.get_backend()):
        return None
    return pyplot


_SECONDS = 20.0  # a library may start a browser for it


def with_picture(bundle: MimeBundle, value: Any = None) -> MimeBundle:
    """Return a display with a PNG beside what only a page can draw; as it was where none can be made.

    `value` is the object that it is of, where that is known: Altair shows a chart as a page of its own by default, in
    which its specification can't be found.
    """
    if any(mime.startswith("image/") for mime in bundle):
        return bundle
    of_value = {} if value is None or not needs_page(bundle) else _specification(value)
    for mime, data in {**bundle, **of_value}.items():
        draw = _drawing(mime)
        if draw is None or not isinstance(data, Mapping):
            continue
        try:
            png = within(_SECONDS, lambda draw=draw, data=data: draw(data))  # type: ignore[misc]
        except Exception:  # noqa: BLE001 - the library's own reasons: no browser, an unknown version; there are words
            continue
        return {**bundle, "image/png": base64.b64encode(png).decode("ascii")}
    return bundle


def _specification(value: Any) -> dict[str, Any]:
    if type(value).__module__.partition(".")[0] != "altair" or not _has("vl_convert"):
        return {}
    try:
        return {"application/vnd.vegalite.json": value.to_dict()}
    except Exception:  # noqa: BLE001 - a chart that can't be said; it shows its own error
        return {}


def _drawing(mime: str) -> Any:
    if mime.startswith("application/vnd.plotly") and "plotly" in sys.modules and _has("kaleido"):
        return _plotly
    if mime.startswith("application/vnd.vegalite") and _has("vl_convert"):
        return _vegalite
    if mime.startswith("application/vnd.vega.") and _has("vl_convert"):
        return _vega
    return None


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _plotly(figure: Any) -> bytes:
    # Plotly's bundle has a `config` for the page beside these two, which a figure does not take.
    drawn = {name: part for name, part in figure.items() if name in ("data", "layout")}
    return bytes(sys.modules["plotly"].io.to_image(drawn, format="png", validate=False))


def _vegalite(spec: Any) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(json.dumps(spec)))


def _vega(spec: Any) -> bytes:
    import vl_convert

    return bytes(vl_convert.vega_to_png(json.dumps(spec)))
