"""Figures of matplotlib's inline backend that a tool drew: they stand in its panel, not below the cell."""

from __future__ import annotations

import io
import sys
from typing import Any

from ..events import MimeBundle
from .results import bounded_bundle


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
