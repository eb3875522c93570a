"""What is shipped for those who run a server for others: each file is held against the program that it is for."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pytest

from nbassist.cli import parser

DEPLOY = Path(__file__).parents[2] / "deploy"


def options_of_serve() -> set[str]:
    [commands] = [action for action in parser()._actions if action.dest == "command"]
    return {action.dest.upper() for action in commands.choices["serve"]._actions}  # type: ignore[index, call-overload]


@pytest.mark.parametrize("name", ["Containerfile", "compose.yaml", "env.example", "nbassist-serve.service"])
def test_every_variable_that_is_set_for_the_server_is_one_that_it_reads(name: str) -> None:
    named = set(re.findall(r"NBASSIST_SERVE_([A-Z_]*[A-Z])", (DEPLOY / name).read_text()))
    assert named
    assert named <= options_of_serve() | {"TOKEN"}


def test_the_command_of_the_unit_is_one_that_the_parser_takes() -> None:
    line = re.search(r"^ExecStart=\S+/nbassist (.*)$", (DEPLOY / "nbassist-serve.service").read_text(), re.MULTILINE)
    assert line is not None
    assert parser().parse_args(line[1].split()).port == 8700


# What checks a unit comes with systemd alone, which containers seldom have.
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "nbassist-serve.service").read_text().replace("/opt/nbassist/bin/nbassist", "/bin/true")
    unit = tmp_path / "nbassist-serve.service"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "nbassist-serve" not in done.stderr, done.stderr


def test_the_extras_that_the_container_installs_are_there() -> None:
    import tomllib

    extras = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name in ("Containerfile", "nbassist-serve.service"):
        [listed] = re.findall(r"\[([a-z,]+)\]'", (DEPLOY / name).read_text())
        assert set(listed.split(",")) <= extras.keys()


@dataclass(frozen=True)
class Stage:
    """One stage of the container file: what it begins from, and its instructions after that."""

    base: str
    steps: list[tuple[str, str]]

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.steps if name == instruction]


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    parse = pytest.importorskip("dockerfile_parse", reason="what reads container files is not installed")
    content = io.BytesIO((DEPLOY / "Containerfile").read_bytes())
    found: list[Stage] = []
    for line in parse.DockerfileParser(fileobj=content).structure:
        if line["instruction"] == "FROM":
            found.append(Stage(line["value"], []))
        elif line["instruction"] != "COMMENT":
            found[-1].steps.append((line["instruction"], line["value"]))
    return found


def variables(stage: Stage) -> dict[str, str]:
    return dict(word.split("=", 1) for value in stage.all("ENV") for word in shlex.split(value))


def test_the_container_is_of_named_versions_and_runs_as_nobody_who_matters(stages: list[Stage]) -> None:
    for stage in stages:
        image = stage.base.split()[0]
        assert re.search(r":[^/]*\d", image), f"{image} has no version"
        assert not stage.all("ADD")  # what comes from elsewhere would be as it is on that day
    build, last = stages
    assert build.base.endswith(" AS build")
    for value in build.all("COPY"):
        *sources, _ = value.split()
        assert all((DEPLOY.parent / source).exists() for source in sources)
    assert last.all("COPY") == ["--from=build /opt/nbassist /opt/nbassist"]
    assert int(last.all("USER")[-1]) > 0
    assert [name for name, _ in last.steps].index("USER") > [name for name, _ in last.steps].index("COPY")


def test_what_the_container_runs_listens_where_it_says(stages: list[Stage]) -> None:
    last = stages[-1]
    given = variables(last)
    assert last.all("EXPOSE") == [given["NBASSIST_SERVE_PORT"]]
    # As arrays: by way of a shell the server would not get the signal that ends it.
    assert json.loads(last.all("ENTRYPOINT")[0]) == ["nbassist", "serve"]
    probe = json.loads(last.all("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert f":{given['NBASSIST_SERVE_PORT']}/health" in probe[-1]
    assert Path(given["NBASSIST_SERVE_STORE"]).parent == Path(last.all("VOLUME")[0])


def test_compose_takes_the_file_of_services() -> None:
    pytest.importorskip("check_jsonschema", reason="what checks the files against their schemas is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_have_what_they_name() -> None:
    yaml = pytest.importorskip("yaml", reason="what reads YAML is not installed")
    text = (DEPLOY / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    example = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == example
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        if build := service.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    # nginx sends to the names that the services have.
    asked = set(re.findall(r"server (\w+):8700", (DEPLOY / "nginx.conf").read_text()))
    assert asked == {"one", "two"} <= services.keys()


@pytest.mark.torture  # it installs all anew
def test_the_steps_of_the_container_make_a_server_that_is_well(stages: list[Stage], tmp_path: Path) -> None:
    """No engine builds it here, so its steps are taken one by one, in a folder that has nothing else."""
    build, last = stages
    source, prefix = tmp_path / "src", tmp_path / "opt/nbassist"
    source.mkdir()
    for value in build.all("COPY"):
        *names, _ = value.split()
        for name in names:
            there = DEPLOY.parent / name
            (shutil.copytree if there.is_dir() else shutil.copy2)(there, source / name)
    python = shlex.quote(sys.executable)
    for value in build.all("RUN"):
        steps = value.replace("python -m venv", f"{python} -m venv").replace("/opt/nbassist", str(prefix))
        subprocess.run(["sh", "-ec", steps], cwd=source, check=True)

    home = tmp_path / "var"
    home.mkdir()
    port = str(free_port())
    moved = {"/var/lib/nbassist": str(home), "/opt/nbassist": str(prefix), "8700": port, "$PATH": os.environ["PATH"]}

    def here(text: str) -> str:
        return reduce(lambda found, place: found.replace(*place), moved.items(), text)

    environ = {name: here(value) for name, value in variables(last).items()} | {"HOME": str(home)}
    environ["NBASSIST_SERVE_UPSTREAM"] = "http://127.0.0.1:9/v1"
    entry = json.loads(last.all("ENTRYPOINT")[0])
    command = [prefix / "bin" / entry[0], *entry[1:]]
    with subprocess.Popen(command, cwd=home, env=environ, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline()
            probe = json.loads(last.all("HEALTHCHECK")[0].partition(" CMD ")[2])
            subprocess.run([prefix / "bin" / probe[0], *map(here, probe[1:])], check=True)
            assert (home / "assistants.sqlite3").is_file()
        finally:
            server.send_signal(getattr(signal, last.all("STOPSIGNAL")[0]))
        assert server.wait(60) in (0, -signal.SIGTERM)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
