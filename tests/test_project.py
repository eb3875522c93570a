"""What stands around the code: workflows, forms, recipes and addresses agree with each other and with the package."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nbassist import __version__

yaml = pytest.importorskip("yaml", reason="the files of the project are YAML, and PyYAML is not installed")
ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILT_BY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
SOURCE = PROJECT["urls"]["Source"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def loaded(name: str) -> Any:
    return yaml.safe_load(read(name))


def run(module: str, *words: str | Path) -> None:
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [".github/ISSUE_TEMPLATE/config.yml"]),
        ("vendor.citation-file-format", ["CITATION.cff"]),
    ],
)
def test_each_file_is_as_its_reader_wants_it(schema: str, files: list[Path]) -> None:
    pytest.importorskip("check_jsonschema", reason="what checks the files against their schemas is not installed")
    assert files
    run("check_jsonschema", "--builtin-schema", schema, *files)


def test_a_linter_of_workflows_finds_no_way_in() -> None:
    linter = shutil.which("zizmor", path=Path(sys.executable).parent)
    if linter is None:
        pytest.skip("the linter of workflows is not installed")
    command = [linter, "--offline", "--no-progress", str(ROOT / ".github" / "workflows")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_held_by_its_digest() -> None:
    used = re.findall(r"uses: (\S+)", "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS))
    assert len(used) > 5
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


def test_the_matrix_has_three_systems_and_each_python_that_is_said_to_work() -> None:
    matrix = loaded(".github/workflows/tests.yml")["jobs"]["unit-and-kernel"]["strategy"]["matrix"]
    assert {one.partition("-")[0] for one in matrix["os"]} == {"ubuntu", "macos", "windows"}
    said = {one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)}
    assert said <= set(matrix["python"])
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"


def test_the_matrix_runs_what_make_unit_and_make_kernel_run() -> None:
    makefile = dict(re.findall(r"^(\w+) := (.*)$", read("Makefile"), re.MULTILINE))
    job = loaded(".github/workflows/tests.yml")["jobs"]["unit-and-kernel"]
    assert job["env"]["APART"] == makefile["APART"].replace("$(ALONE)", makefile["ALONE"])


def test_what_the_workflows_and_the_container_make_is_in_the_makefile() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    named = [name for line in re.findall(r"run: make ([^\n]+)", texts) for name in line.split()]
    container = json.loads(re.sub(r"^\s*//.*$", "", read(".devcontainer/devcontainer.json"), flags=re.MULTILINE))
    named += re.findall(r"make (\S+)", container["postCreateCommand"] + "\n" + container["postAttachCommand"])
    makefile = read("Makefile").replace("$(VENV)", ".venv")
    assert len(named) >= 6
    assert [name for name in named if not re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE)] == []


def test_the_container_opens_the_tour_in_its_editor() -> None:
    container = json.loads(re.sub(r"^\s*//.*$", "", read(".devcontainer/devcontainer.json"), flags=re.MULTILINE))
    [first] = container["customizations"]["codespaces"]["openFiles"]
    assert (ROOT / first).is_file()
    assert f"code {first}" in container["postAttachCommand"]
    assert f"lab/tree/{first})" in read("README.md"), "as Binder does"


def test_one_version_stands_everywhere() -> None:
    lab = json.loads(read("nbassist/frontend/lab/package.json"))["version"]
    recipe = loaded("deploy/conda/recipe.yaml")["context"]["version"]
    assert {lab, recipe, loaded("CITATION.cff")["version"]} == {__version__}


def test_the_newest_heading_of_the_changelog_is_this_version_with_a_date_or_unreleased() -> None:
    newest = re.search(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert re.fullmatch(rf"{re.escape(__version__)} \((unreleased|\d{{4}}-\d\d-\d\d)\)", newest[1])


def test_one_address_stands_everywhere() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    if not files[0]:
        pytest.skip("this is no checkout")
    found = set()
    for name in files:
        if (ROOT / name).suffix in {".md", ".in", ".toml", ".yml", ".yaml", ".cff", ".json", ".py", ".ipynb"}:
            found |= set(re.findall(r"https://github\.com/[\w.-]+/nbassist\b", read(name)))
    assert found == {SOURCE}


def test_links_of_the_readme_lead_to_files_that_are_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read("README.md"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.skipif(os.name == "nt", reason="the step is run by a shell of Linux")
def test_the_release_puts_the_digest_of_the_tags_archive_into_the_conda_recipe(tmp_path: Path) -> None:
    steps = loaded(".github/workflows/release.yml")["jobs"]["build"]["steps"]
    step = next(step["run"] for step in steps if "recipe" in step.get("name", ""))
    (tmp_path / "bin").mkdir()
    curl = tmp_path / "bin" / "curl"
    curl.write_text('#!/bin/sh\nprintf "%s" "the archive" > "$3"\necho "$4" > asked\n')
    curl.chmod(0o755)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    environ = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": SOURCE.removeprefix("https://github.com/"),
        "GITHUB_REF_NAME": f"v{__version__}",
    }
    done = subprocess.run(["bash", "-e", "-c", step], cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    source = yaml.safe_load((tmp_path / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))["source"]
    assert source["sha256"] == hashlib.sha256(b"the archive").hexdigest()
    assert (tmp_path / "asked").read_text().strip() == source["url"].replace("${{ version }}", __version__)


def test_the_conda_recipe_needs_what_the_package_needs() -> None:
    recipe = loaded("deploy/conda/recipe.yaml")

    def plain(line: str) -> str:
        return re.sub(r"[\s_]", lambda match: "-" if match[0] == "_" else "", line).lower()

    wanted = {plain(line) for line in PROJECT["dependencies"]}
    assert {plain(line) for line in recipe["requirements"]["run"] if not line.startswith("python ")} == wanted
    assert PROJECT["requires-python"] == f">={recipe['context']['python_min']}"
    assert {plain(line) for line in recipe["requirements"]["host"]} >= {plain(line) for line in BUILT_BY}
    assert recipe["about"]["repository"] == SOURCE
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["build"]["python"]["entry_points"] == [f"nbassist = {PROJECT['scripts']['nbassist']}"]


def test_the_container_of_the_tour_installs_extras_that_there_are() -> None:
    [extra] = re.findall(r"^\.\[(\w+)\]$", read(".binder/requirements.txt"), re.MULTILINE)
    assert extra in PROJECT["optional-dependencies"]


@pytest.mark.skipif(sys.platform == "win32", reason="the container's is a shell script")
def test_the_container_of_the_tour_answers_from_all_recorded_replies(tmp_path: Path) -> None:
    show = (
        "import os; print(os.environ['NBASSIST_CACHE']); print(len(open(os.environ['NBASSIST_REPLIES']).readlines()))"
    )
    done = subprocess.run(
        [ROOT / ".binder" / "start", sys.executable, "-c", show],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    kept = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").rglob("*.replies.jsonl")]
    assert done.stdout.split() == ["replay", str(sum(text.count("\n") for text in kept))]


def test_the_readme_begins_with_a_moving_picture_that_is_small_and_is_two_screens_long() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    text = read("README.md")
    [name] = re.findall(r"^!\[[^]]{40,}\]\(([^)]+)\)$", text, re.MULTILINE)
    assert text.index(name) < text.index("\n## ")
    assert (ROOT / name).stat().st_size < 2_000_000
    with image.open(ROOT / name) as picture:
        assert picture.n_frames > 20
    lines = [line for line in text.splitlines() if line]
    assert sum(1 + len(line) // 110 for line in lines) < 80, "lines of a page that is 110 letters wide"


def test_every_licence_of_what_is_installed_lets_any_program_use_it() -> None:
    done = subprocess.run([sys.executable, ".ci/licences"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) > 10


def test_what_is_promised_of_security_names_tests_and_files_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)", text, re.MULTILINE) == [
        "To report something", "What is promised", "What is not", "How it is tested",
    ]  # fmt: skip
    named = [*re.findall(r"`((?:nbassist|tests)/[\w/.]+)`", text), *re.findall(r"\]\((\S+?)\)", text)]
    assert len(named) >= 4
    assert [name for name in named if not (ROOT / name).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", text):
        assert f"\n{target}:" in makefile
