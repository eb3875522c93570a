"""A suite of tests, and runs, in the formats of others: JSONL, promptfoo's configuration, an inspect-ai dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..rows import Row
from ..run_list import RunList
from .suite import Case, Suite

# There a row is a plain dict: it is given attributes, as it has here.
_ROW = (
    "(lambda r: type('Row', (dict,), {'__getattr__': dict.__getitem__})(r) if isinstance(r, dict) else r)"
    "(context['vars'].get('row'))"
)
FORMS = ("jsonl", "promptfoo", "inspect")


def runs_jsonl(runs: RunList) -> str:
    """Return the runs, one on each line, with their rows and prompts, ratings, checks and scores."""
    lines = []
    for run in runs.touched():
        value = run.task.input.value
        row = dict(value) if isinstance(value, Row) else value
        lines.append(json.dumps({**run.row(), "row": row, "prompt": run.task.prompt}, ensure_ascii=False, default=str))
    return "".join(f"{line}\n" for line in lines)


def suite_text(suite: Suite, form: str) -> str:
    """Return a suite in another format.

    Parameters
    ----------
    suite : Suite
        The cases.
    form : {"jsonl", "promptfoo", "inspect"}
        `promptfoo` is its `promptfooconfig.yaml` (written as JSON, which is YAML), `inspect` the lines of a
        `json_dataset` of inspect-ai.

    Raises
    ------
    UsageError
        Where there is no such form.
    """
    if form == "jsonl":
        return _lines(
            [{"id": c.id, "prompt": c.prompt, "row": c.row, "reply": c.reply, "worth": c.worth} for c in suite.cases]
        )
    if form == "inspect":
        return _lines([_sample(case) for case in suite.cases])
    if form == "promptfoo":
        return json.dumps(_promptfoo(suite), ensure_ascii=False, indent=1) + "\n"
    raise UsageError(f"there is no form {form!r}; there are {', '.join(FORMS)}")


def write_suite(suite: Suite, path: Path, form: str) -> Path:
    """Write a suite in another format; see `suite_text`."""
    path.write_text(suite_text(suite, form), encoding="utf-8")
    return path


def _lines(items: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False, default=str) + "\n" for item in items)


def _sample(case: Case) -> dict[str, Any]:
    target = case.reply if case.worth >= 0.5 else ""
    return {"input": case.prompt, "target": target, "id": case.id, "metadata": {"row": case.row, "worth": case.worth}}


def _promptfoo(suite: Suite) -> dict[str, Any]:
    """Return a configuration: our `{{ row.column }}` is what its templates take, too."""
    provider: dict[str, Any] = {"id": f"openai:chat:{suite.model or 'MODEL'}", "config": dict(suite.parameters)}
    return {
        "description": f"kept by nbassist, version {suite.version}, {suite.hash}",
        "prompts": list(suite.prompts.values()),
        "providers": [provider],
        "tests": [_test(suite, case) for case in _one_each(suite)],
    }


def _one_each(suite: Suite) -> list[Case]:
    """Return one case for each row: promptfoo asks all its prompts of each test."""
    return list({json.dumps(case.row, sort_keys=True, default=str): case for case in suite.cases}.values())


def _test(suite: Suite, case: Case) -> dict[str, Any]:
    names = {"row": case.row, "item": case.row}
    if suite.checks:
        held: list[Mapping[str, Any]] = [
            {"type": "python", "metric": name, "value": f"(lambda text, row: bool({source}))(output, {_ROW})"}
            for name, source in suite.checks.items()
        ]
    else:
        held = [{"type": "equals" if case.worth >= 0.5 else "not-equals", "value": case.reply}]
    return {"description": case.id, "vars": {} if case.row is None else names, "assert": held}
