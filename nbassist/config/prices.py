"""What a run cost, from a table of prices by model; a price that is not known is shown as unknown, never guessed.

The table that comes along is `prices.toml`; the person's own, `prices.toml` beside their profiles, goes before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.events import Usage
from ..errors import SettingsError

# A dated snapshot, such as `gpt-5-mini-2025-08-07`, costs what its family does.
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens.

    Parameters
    ----------
    input, cached, output : float
        Tokens read, those of them taken from the endpoint's prompt cache, and tokens written (reasoning among them).
    batch : float
        What share of it is asked through the Batch API.
    """

    input: float
    cached: float
    output: float
    batch: float = 1.0

    def of(self, usage: Usage, *, batch: bool = False) -> float:
        """Return what `usage` costs, in US dollars; in a batch where `batch` says so."""
        # What is cached is counted among the input, so it is not paid twice; a server that counts it beside can't make
        # it less than nothing.
        fresh = max(usage.input_tokens - usage.cached_tokens, 0)
        whole = (fresh * self.input + usage.cached_tokens * self.cached + usage.output_tokens * self.output) / 1e6
        return whole * self.batch if batch else whole


def dollars(model: str, usage: Usage, *, batch: bool = False) -> float | None:
    """Return what `usage` of `model` cost, in US dollars; None where the price or the usage is not known."""
    price = price_of(model) if model and usage.known else None
    return None if price is None else price.of(usage, batch=batch)


def price_of(model: str) -> Price | None:
    """Return the price of `model`, or None where no table has it.

    A name in a table is a glob; the person's table goes first, and in each the first that fits counts. A date at the
    end of the model's name is left out where the full name does not fit.

    Raises
    ------
    SettingsError
        Where the person's table can't be read.
    """
    from .paths import config_file

    for path in (config_file("prices.toml"), Path(__file__).with_name("prices.toml")):
        # The time of change is a part of the caches' keys: a table that was edited is read anew, without a restart.
        if price := _find(model, path, _changed(path)):
            return price
    return None


@contextmanager
def unchanged() -> Iterator[None]:
    """Take the tables for unchanged for as long as this is open: many runs need not look at the files for each."""
    _held.append({})
    try:
        yield
    finally:
        _held.pop()


# A stack, as one sweep may run inside another.
_held: list[dict[Path, float]] = []


def _changed(path: Path) -> float:
    held = _held[-1] if _held else {}
    if path not in held:
        try:
            held[path] = path.stat().st_mtime
        except OSError:
            # 0 stands for a file that is not there, which most people's own is not.
            held[path] = 0.0
    return held[path]


@lru_cache(maxsize=256)
def _find(model: str, path: Path, changed: float) -> Price | None:
    # Both forms of the name against each pattern in turn: a snapshot with a price of its own has to stand before its
    # family.
    undated = _DATE.sub("", model)
    for pattern, price in _read(path, changed):
        if fnmatchcase(model, pattern) or fnmatchcase(undated, pattern):
            return price
    return None


@lru_cache(maxsize=8)
def _read(path: Path, changed: float) -> tuple[tuple[str, Price], ...]:
    """Read a table; `changed` is its time of change, so that an edited one is read anew."""
    if not changed:
        return ()
    import tomllib

    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
        return tuple((name, _price(entry)) for name, entry in data.items())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{os.fspath(path)} is no table of prices: {error}") from error


def _price(entry: Any) -> Price:
    fresh = float(entry["input"])
    return Price(fresh, float(entry.get("cached", fresh)), float(entry["output"]), float(entry.get("batch", 1)))
