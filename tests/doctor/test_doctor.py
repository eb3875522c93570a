"""`nbassist doctor`: what is wrong is one line with what mends it, and the exit code; it never breaks."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from nbassist.cli import main
from nbassist.doctor import Finding, examine, installed
from nbassist.doctor.checks import report


@pytest.fixture(autouse=True)
def reached(monkeypatch: pytest.MonkeyPatch, endpoint: Any) -> Any:
    """An endpoint that is set and answers; tests break it."""
    endpoint.json("GET", "/models", {"object": "list", "data": [{"id": "llama-small"}, {"id": "llama-large"}]})
    monkeypatch.setenv("NBASSIST_BASE_URL", endpoint.url)
    return endpoint


def lines(found: list[Finding]) -> dict[str, Finding]:
    return {one.what: one for one in found}


def test_all_well_is_exit_code_0_and_says_endpoint_protocol_and_model(
    reached: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"{reached.url} (from NBASSIST_BASE_URL), reached; it speaks chat" in said
    assert "the endpoint's own choice, llama-small, and 1 more" in said
    assert said.endswith("all is well\n")


def test_each_finding_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    *findings, empty, _ = capsys.readouterr().out.splitlines()
    assert empty == ""
    assert all(line[:4] in ("ok  ", "note", "FAIL") for line in findings)


def test_an_endpoint_that_does_not_answer_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NBASSIST_BASE_URL", "http://127.0.0.1:9/v1")
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "FAIL  endpoint" in said
    assert said.endswith("1 wrong\n")


def test_a_key_that_is_refused_is_told_and_never_shown(monkeypatch: pytest.MonkeyPatch, reached: Any) -> None:
    monkeypatch.setenv("NBASSIST_API_KEY", "sk-very-secret")
    reached.json("GET", "/models", {"error": {"message": "no such key"}}, status=401)
    reached.json("GET", "/assistants", {"error": {"message": "no such key"}}, status=401)
    found = report()
    assert lines(found)["endpoint"].state == "wrong"
    assert "sk-very-secret" not in str(found)


def test_an_engine_that_is_not_running_is_told_with_the_command_that_starts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nbassist.config.profiles import Profile, save

    monkeypatch.delenv("NBASSIST_BASE_URL")
    save(Profile("mine", "chat", "http://127.0.0.1:9/v1", start="mine serve"))
    monkeypatch.setenv("NBASSIST_PROFILE", "mine")
    assert lines(report())["endpoint"].mend == "run: mine serve"


def test_settings_that_are_wrong_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBASSIST_PROFILE", "opnai")
    monkeypatch.delenv("NBASSIST_BASE_URL")
    assert "did you mean openai?" in lines(report())["endpoint"].text


def test_a_file_of_profiles_that_is_damaged_is_a_finding() -> None:
    own = Path(os.environ["NBASSIST_CONFIG_DIR"]) / "profiles.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("[oops", encoding="utf-8")
    assert "can't be read" in lines(report())["own profiles"].text


def test_a_missing_model_is_wrong_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBASSIST_MODEL_FILE", str(tmp_path / "none.gguf"))
    assert lines(report())["local model"].state == "note"
    assert [one.state for one in installed.model_file(needed=True)] == ["wrong"]


def test_a_journal_that_is_no_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["NBASSIST_DATA_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.db").mkdir()
    assert lines(report())["journal"].state == "wrong"


@pytest.mark.parametrize("far", [False, True])
def test_a_journal_on_another_machine_is_told_to_be_slower(monkeypatch: pytest.MonkeyPatch, far: bool) -> None:
    from nbassist.doctor import checks
    from nbassist.journal import Entry, Journal

    kept = Journal(Path(os.environ["NBASSIST_DATA_DIR"]) / "journal.db")
    kept.add(Entry("hello"))
    kept.close()
    monkeypatch.setattr(checks, "is_remote", lambda path: far)
    found = lines(report())["journal"]
    assert found.state == "ok"
    assert ("without a write-ahead log" in found.text) is far


def test_kept_threads_are_counted_and_damaged_ones_named() -> None:
    from nbassist.core.conversation import Conversation
    from nbassist.threads import ThreadStorage

    folder = Path(os.environ["NBASSIST_DATA_DIR"]) / "threads"
    shelf = ThreadStorage(folder, "a.ipynb")
    shelf.write("one", Conversation())
    for name in ("two.thread.json.damaged", "two.thread.json.damaged-2"):
        (shelf.folder / name).write_text("", encoding="utf-8")
    found = lines(report())["threads"]
    assert found.text.startswith("1 of 1 notebook,")
    assert "; 2 put aside as damaged, such as " in found.text
    assert found.state == "note"


def test_a_variable_that_nothing_reads_is_named_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBASSIST_MODLE", "x")
    assert lines(report())["environment"].mend == "did you mean NBASSIST_MODEL?"


def test_a_way_to_show_replies_that_there_is_not_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBASSIST_DISPLAY", "loud")
    [found] = list(installed.environment())
    assert found.state == "wrong"
    assert "'loud'; known are auto, live" in found.text


def test_all_variables_that_the_code_reads_are_known() -> None:
    import re

    package = Path(installed.__file__).parent.parent
    read = {name for path in package.rglob("*.py") for name in re.findall(r"NBASSIST_[A-Z_]*[A-Z]", path.read_text())}
    # With an option's name behind it; and one that is set for a moment, to see that a sandbox does not get it.
    assert read - {"NBASSIST_SERVE", "NBASSIST_PROBE"} == set(installed.VARIABLES)


def test_a_package_that_is_missing_or_too_old_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["openai<4,>=3.99", "nothing-like-it>=1"])
    found, *_ = installed.packages()
    assert found.state == "wrong"
    assert "missing: nothing-like-it" in found.text
    assert "openai" in found.text


@pytest.mark.parametrize(
    ("version", "specifier", "fits"),
    [
        ("2.0", ">=2", True),
        ("1.9.9", ">=2", False),
        ("4.0", "<4,>=3.5", False),
        ("3.54.0", "<4,>=3.5", True),
        ("2026.1.1", ">=2026.1", True),
        ("2.0rc1", ">=2", True),
        ("1", "", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, specifier: str, fits: bool) -> None:
    assert installed.fits(version, specifier) is fits


def test_a_check_that_breaks_is_a_finding_itself() -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("oops")

    assert examine(broken) == [Finding("broken", "ZeroDivisionError: oops", "wrong")]


def test_it_says_of_each_extra_what_it_is_for() -> None:
    named = set(metadata.metadata("nbassist").get_all("Provides-Extra") or ()) - {"dev", "docs", "test"}
    assert named <= set(installed._USES)


@pytest.mark.parametrize(
    ("version", "state"), [("7.1.0", "note"), ("7.3.0", "note"), ("7.4.0", "ok"), ("6.30.1", "ok")]
)
def test_a_kernel_that_misses_cells_is_told_with_the_version_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, version: str, state: str
) -> None:
    from nbassist.magics.commands.doctor import in_frontend

    monkeypatch.setattr(metadata, "version", lambda name: version)
    monkeypatch.setattr("nbassist.display.live.frontend_check.answered", lambda kernel: True)
    shell = type("Shell", (), {"kernel": object()})()
    found = next(iter(in_frontend(shell)))
    assert (found.what, found.state) == ("frontend", state)
    assert version in found.text
    assert ("7.4" in found.mend) == (state == "note")


def test_what_an_older_version_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"ipython": "8.12.3"}
    monkeypatch.setattr(installed, "_unmet", lambda required: ([], []))
    monkeypatch.setattr(installed, "_version", lambda name: versions.get(name, ""))
    monkeypatch.setattr(metadata, "version", versions.get)
    lines = [one.line for one in installed.packages()]
    assert lines[0] == "ipython 8.12.3"
    assert ["earlier cells" in line for line in lines[1:]] == [True]
    versions["ipython"] = "7.34.0"
    assert len(list(installed.packages())) == 3
    versions["ipython"] = "9.18.1"
    assert len(list(installed.packages())) == 1


def test_the_model_of_vectors_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("nbassist.server.engine.model.folder", lambda: tmp_path)
    [found] = installed.embeddings_file()
    assert (found.state, "run `nbassist model get embeddings`" in found.text) == ("note", True)
