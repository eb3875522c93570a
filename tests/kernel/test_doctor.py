"""`%assistant doctor` in a real kernel."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.kernel


@pytest.mark.since("ipykernel", "7.1")
def test_it_says_what_works_where_a_person_is_and_no_browser(kernel: Any, endpoint: Any) -> None:
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "m"}]})
    patience = "from nbassist.display.live import frontend_check\nfrontend_check.answered.__defaults__ = (0.2,)\n"
    ran = kernel.run(f"{patience}%assistant doctor")
    assert ran.error is None
    assert "reached; it speaks chat" in ran.result
    assert "works: a person can be asked" in ran.result
    assert "no browser answered" in ran.result
    assert ran.result.endswith("1 wrong")
    assert "sk-very-secret" not in ran.result


def test_without_a_person_no_widget_is_shown(kernel: Any, endpoint: Any) -> None:
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "m"}]})
    ran = kernel.run("%assistant doctor", person=False)
    assert ran.displays == {}
    assert "no one is here to be asked" in ran.result
    assert ran.result.endswith("all is well")


def test_settings_that_are_wrong_are_a_line_and_no_error(kernel: Any) -> None:
    ran = kernel.run("%config NbAssist.profile = 'opnai'\n%assistant doctor", person=False)
    assert ran.error is None
    assert "did you mean openai?" in ran.result
