"""Money from a table that the person can replace; what is not known stays unknown."""

from __future__ import annotations

import os

import pytest

from nbassist import Assistant
from nbassist.config.paths import config_file
from nbassist.config.prices import dollars, price_of
from nbassist.core.events import Usage
from nbassist.errors import SettingsError

MILLION = Usage(1_000_000, 100_000, cached_tokens=400_000, known=True)


def own_table(text: str) -> None:
    path = config_file("prices.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_cached_tokens_cost_their_own_price() -> None:
    own_table('["mine*"]\ninput = 2.0\ncached = 0.5\noutput = 10.0\n')
    assert dollars("mine-large", MILLION) == pytest.approx(0.6 * 2.0 + 0.4 * 0.5 + 0.1 * 10.0)


def test_the_persons_table_goes_before_the_one_that_comes_along() -> None:
    assert (before := price_of("gpt-4o")) is not None
    own_table('["gpt-4o"]\ninput = 99.0\noutput = 1.0\n')
    after = price_of("gpt-4o")
    assert after is not None
    assert (after.input, after.cached) == (99.0, 99.0)
    assert before.input != 99.0
    assert price_of("gpt-4.1") is not None


def test_an_edited_table_is_read_anew() -> None:
    own_table('["mine"]\ninput = 1.0\noutput = 1.0\n')
    assert price_of("mine") is not None
    own_table('["mine"]\ninput = 3.0\noutput = 1.0\n')
    os.utime(config_file("prices.toml"), (1, 1))
    assert (again := price_of("mine")) is not None
    assert again.input == 3.0


def test_a_dated_name_costs_what_the_model_costs_and_a_variant_does_not() -> None:
    assert price_of("gpt-4o-2024-08-06") == price_of("gpt-4o")
    assert price_of("gpt-4o-audio-preview") is None


def test_unknown_stays_unknown() -> None:
    assert dollars("a-model-of-nobody", MILLION) is None
    assert dollars("gpt-4o", Usage()) is None
    assert dollars("", MILLION) is None


def test_a_table_that_is_wrong_is_one_line() -> None:
    own_table('["mine"]\noutput = 1.0\n')
    with pytest.raises(SettingsError, match=r"prices.toml is no table of prices"):
        price_of("mine")


def test_what_runs_on_ones_own_machine_costs_nothing() -> None:
    assert Assistant(profile="ollama").price("gpt-4o", MILLION) == 0.0
