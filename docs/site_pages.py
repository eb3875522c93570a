"""Pages that are made from the code when the site is built: they can't say what the code does not do.

The tour from the notebooks with their outputs, the reference from the parsers and the table of commands, the drawing
from the imports, and the front page from the README.
"""

from __future__ import annotations

import argparse
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import drawing  # noqa: E402
import messages  # noqa: E402

TOUR = ("quickstart", "tools", "approval", "threads", "files", "iterate", "endpoints", "assistants_program", "testing")
_PAGES = {"CONTRIBUTING": "contributing", "SECURITY": "security", "CHANGELOG": "changes"}
_OUTPUTS: dict[str, list[str]] = {}
"""HTML of each page's outputs, by the page's source: put in after markdown has been rendered."""


def on_config(config: Any) -> Any:
    """List the notebooks there are, in the order in which they are best read."""
    for entry in config.nav:
        if "Tutorial" in entry:
            entry["Tutorial"] = [f"tour/{name}.md" for name in tour()]
    return config


def tour() -> list[str]:
    """Return the names of the notebooks, those of `TOUR` first."""
    found = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    return sorted(found, key=lambda name: TOUR.index(name) if name in TOUR else len(TOUR))


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are generated."""
    pages = {
        "index.md": front_page(),
        "contributing.md": linked((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        "releasing.md": linked((ROOT / ".github" / "RELEASING.md").read_text(encoding="utf-8")),
        "messages.md": filled("messages.in", messages=messages.page(ROOT / "nbassist")),
        "security.md": linked((ROOT / "SECURITY.md").read_text(encoding="utf-8")),
        "changes.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "magics.md": filled("magics.in", cell=flags(), commands=commands(), config=config_table()),
        "settings.md": filled("settings.in", variables=variables(), presets=presets()),
        "server.md": filled("server.in", serve=options("serve"), model=options("model")),
        "architecture.md": filled("architecture.in", drawing=drawing.svg(ROOT / "nbassist"), rooms=rooms()),
    }
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pages[f"tour/{notebook.stem}.md"] = tour_page(notebook)
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Put the outputs of a notebook where its page has their places."""
    if page.file.src_uri == "messages.md":
        # Hundreds of headings: beside the page stand the classes alone.
        for title in page.toc.items:
            for kind in title.children:
                kind.children.clear()
    outputs = _OUTPUTS.get(page.file.src_uri, [])
    return re.sub(r"<p>NBOUTPUT(\d+)</p>", lambda match: outputs[int(match[1])], html)


def front_page() -> str:
    """Return the README, with its links as they are within the site."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace("](notebooks/", "](tour/").replace(".ipynb)", ".md)")
    return re.sub(r"\]\((CONTRIBUTING|SECURITY|CHANGELOG)\.md\)", lambda found: f"]({_PAGES[found[1]]}.md)", text)


def linked(text: str) -> str:
    """Return a text of the repository with its links as they are within the site."""
    return text.replace("](docs/", "](").replace("](README.md)", "](index.md)")


def tour_page(path: Path) -> str:
    """Return a notebook as markdown; a place is left for each output."""
    parts: list[str] = []
    outputs = _OUTPUTS.setdefault(f"tour/{path.stem}.md", [])
    outputs.clear()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```{language(cell.source)}\n{cell.source}\n```")
        shown = "".join(output_html(output) for output in cell.outputs)
        if shown:
            parts.append(f"NBOUTPUT{len(outputs)}")
            outputs.append(f'<div class="nb-output">{shown}</div>')
    parts.append(f"*This page is the notebook `notebooks/{path.name}`, with what the local model said.*")
    return "\n\n".join(parts) + "\n"


def language(source: str) -> str:
    """Return what a cell is highlighted as: a prompt, and lines of magics alone, are no Python."""
    lines = source.splitlines()
    return "text" if source.startswith("%%") or all(line.startswith("%") for line in lines) else "python"


def output_html(output: Any) -> str:
    """Return one output of a cell as HTML."""
    if output.output_type == "stream":
        return f"<pre>{escape(output.text)}</pre>"
    data = output.get("data", {})
    if "text/html" in data:
        return str(data["text/html"])
    return f"<pre>{escape(data.get('text/plain', ''))}</pre>"


def filled(name: str, **values: str) -> str:
    """Return a page of this folder, with each `[[name]]` filled in."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for key, value in values.items():
        assert f"[[{key}]]" in text, f"{name} has no place for {key}"
        text = text.replace(f"[[{key}]]", value)
    return text


def flags() -> str:
    """Return the flags of `%%assistant` in their groups, as tables."""
    from nbassist.magics.line.flags import parser

    return parser_tables(parser())


def parser_tables(parser: argparse.ArgumentParser) -> str:
    """Return the options of a parser, a table for each group that has any."""
    parts = []
    for group in [*parser._action_groups[2:], *parser._action_groups[:2]]:  # argparse's own two groups last
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if not actions:
            continue
        title = "Also" if group.title in ("options", "optional arguments") else str(group.title).capitalize()
        rows = [(call(action), words(action)) for action in actions]
        parts.append(f"**{title}**\n\n" + table(("flag", "what it does"), rows))
    return "\n\n".join(parts)


def call(action: argparse.Action) -> str:
    """Return how an option is written."""
    value = action.metavar if isinstance(action.metavar, str) else (action.dest.upper() if action.nargs != 0 else "")
    names = ", ".join(action.option_strings)
    return f"`{names} {value}`" if names and action.nargs != 0 else f"`{names or value}`"


def words(action: argparse.Action) -> str:
    """Return an option's help."""
    text = (action.help or "").replace("%(default)s", str(action.default))
    return cell(text)


def commands() -> str:
    """Return `%assistant NAME` and what each does."""
    from nbassist.magics.commands import COMMANDS, find

    rows = []
    for name in COMMANDS:
        first = (find(name).__doc__ or "").strip().splitlines()[0]
        rows.append((f"`%assistant {name}`", cell(first)))
    return table(("command", "what it does"), rows)


def config_table() -> str:
    """Return the traits of `%config NbAssist`."""
    from nbassist.magics.magic import NbAssist

    rows = []
    for name, trait in NbAssist.class_traits(config=True).items():
        rows.append((f"`{name}`", cell(trait.help)))
    return table(("setting", "what it says"), rows)


def variables() -> str:
    """Return the variables of the environment."""
    from nbassist.doctor.installed import VARIABLES

    return table(("variable", "what it says"), [(f"`{name}`", cell(text)) for name, text in VARIABLES.items()])


def presets() -> str:
    """Return the profiles that are known."""
    from nbassist.config.profiles import PRESETS

    rows = []
    for name, one in PRESETS.items():
        where = one.base_url or (f"from `{one.url_env}`" if one.url_env else "the embedded server")
        rows.append((f"`{name}`", one.backend, where, f"`{one.key_env}`" if one.key_env else ""))
    return table(("profile", "backend", "URL", "key from"), rows)


def options(command: str) -> str:
    """Return the options of a command of `nbassist`."""
    from nbassist.cli import parser

    [subparsers] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    found = subparsers.choices[command]
    nested = [action for action in found._actions if isinstance(action, argparse._SubParsersAction)]
    if nested:
        pairs = {choice.dest: choice.help for choice in nested[0]._choices_actions}
        return table(
            ("command", "what it does"), [(f"`nbassist {command} {name}`", cell(pairs[name] or "")) for name in pairs]
        )
    rows = [(call(one), words(one)) for one in found._actions if one.dest != "help"]
    return table(("option", "what it does"), rows)


def rooms() -> str:
    """Return each room of the house with the first line of its docstring."""
    rows = [(f"`{name}`", cell(text)) for name, text in drawing.descriptions(ROOT / "nbassist").items()]
    return table(("room", "what it is"), rows)


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table of markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def cell(text: str) -> str:
    """Return a text that can stand in a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ").replace("{{", "`{{").replace("}}", "}}`")
