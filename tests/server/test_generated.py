"""Requests that schemathesis generates from the description of the API, right ones and wrong ones: never a 500."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import pytest

schemathesis = pytest.importorskip("schemathesis", reason="what makes up requests is not installed")

SOURCE = Path(__file__).resolve().parents[3] / "shared/data/assistants/openapi.json"
if not SOURCE.is_file():
    # It is not this project's to give on, so a checkout may stand alone.
    pytest.skip("the description of the API is not beside this checkout", allow_module_level=True)

schema = schemathesis.openapi.from_path(str(SOURCE))
SLOW = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"


# The server lives in this process: when a thread of it draws a random number while a case is made, hypothesis blames
# the strategy, now and then.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
def test_no_generated_request_gives_a_500(server: Any, http: Any) -> None:
    """Ids in paths and bodies are made real ones every other time, so that not all ends in 404."""
    assistant = http.post("/assistants", json={"model": "m"}).json()["id"]
    thread = http.post("/threads", json={"messages": [{"role": "user", "content": "Hi"}]}).json()["id"]
    message = http.get(f"/threads/{thread}/messages").json()["data"][0]["id"]
    run = http.post(f"/threads/{thread}/runs", json={"assistant_id": assistant}).json()["id"]
    real = {"assistant_id": assistant, "thread_id": thread, "message_id": message, "run_id": run}
    seen: set[int] = set()

    def send(case: Any, use_real: bool) -> None:
        if use_real and isinstance(case.path_parameters, dict):
            case.path_parameters.update({name: value for name, value in real.items() if name in case.path_parameters})
        if use_real and isinstance(case.body, dict) and "assistant_id" in case.body:
            case.body["assistant_id"] = assistant
        response = case.call(base_url=server.url, headers={"Authorization": "Bearer test-token"}, timeout=60)
        seen.add(response.status_code)
        assert response.status_code < 500, (case.as_curl_command(), response.text)

    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method.upper() == "DELETE" and re.search(r"thread|assistant", operation.path):
            continue  # they would take away what the others need
        for mode in schemathesis.GenerationMode:
            check = hypothesis.given(
                case=operation.as_strategy(generation_mode=mode), use_real=hypothesis.strategies.booleans()
            )(send)
            run_check = hypothesis.settings(
                max_examples=8, deadline=None, suppress_health_check=SLOW, database=None, derandomize=True
            )(check)
            with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # nothing about it can be wrong
                run_check()
    assert seen >= {200, 400, 404}
