"""`%assistant threads|new|fork|undo|rename|delete|history|edit|save|load|resume`: the conversations of the notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...core.conversation import Conversation
from ...errors import UsageError
from ...threads import History, place
from ..line.parsed_options import parse_words
from ..notebook import put_below
from ..run_cell import run_prompt
from ..table import Table
from . import nothing_more

if TYPE_CHECKING:
    from ..config import Config


def list_threads(magics: Config, words: list[str]) -> Table:
    """List the threads of this notebook; `threads --all` those of the others, too, as -t takes them."""
    threads = magics.session.threads
    everywhere = words == ["--all"]
    nothing_more("threads --all", [] if everywhere else words)
    rows = [
        (name, "current" if name == threads.current else "", *_about(threads[name]))
        for name in threads.names() or [threads.current]
    ]
    if everywhere and threads.shelf:
        for shelf in threads.shelf.others():
            rows += [(f"{shelf.notebook}:{name}", "", *_about(shelf.read(name))) for name in shelf.names()]
    note = "" if threads.shelf else "kept in memory alone: this frontend does not say which notebook it shows"
    return Table(("thread", "", "turns", "begins with"), tuple(rows), note=note)


def new(magics: Config, words: list[str]) -> Table:
    """Begin a thread and go on with it: `new [NAME]`."""
    name = _one("new [NAME]", words)
    magics.session.threads.new(name)
    return _now(magics)


def fork(magics: Config, words: list[str]) -> Table:
    """Begin a thread with the first turns of the current one: `fork [AT] [NAME]`; all of them without AT."""
    at, rest = (int(words[0]), words[1:]) if words and words[0].isdigit() else (None, words)
    magics.session.threads.fork(at, _one("fork [AT] [NAME]", rest))
    return _now(magics)


def undo(magics: Config, words: list[str]) -> Table:
    """Take back the last turns of the current thread: `undo [N]`, one by default."""
    magics.session.threads.undo(_number("undo [N]", words) if words else 1)
    return _now(magics)


def rename(magics: Config, words: list[str]) -> Table:
    """Call the current thread, or another, something else: `rename NEW` or `rename OLD NEW`."""
    if len(words) not in (1, 2):
        raise UsageError("write it as %assistant rename NEW, or %assistant rename OLD NEW")
    magics.session.threads.rename(words[-1], words[0] if len(words) == 2 else "")
    return _now(magics)


def delete(magics: Config, words: list[str]) -> Table:
    """Forget threads: `delete NAME …`."""
    if not words:
        raise UsageError("say which thread: %assistant delete NAME")
    for name in words:
        magics.session.threads.delete(name)
    return _now(magics)


def history(magics: Config, words: list[str]) -> History:
    """Show a thread, the current one by default, with the numbers of its turns: `history [NAME]`."""
    threads = magics.session.threads
    name = _one("history [NAME]", words) or threads.current
    history = History.of(threads.known(name))
    return replace(history, name=name)  # a thread of another notebook is called there by its short name


def edit(magics: Config, words: list[str]) -> None:
    """Put the prompt of a turn into a cell below; running it replaces the turn and goes on from there: `edit N`."""
    threads = magics.session.threads
    turn = _number("edit N", words)
    conversation = threads.known()
    placing = place(conversation, turn=turn)
    prompt = conversation.messages[placing.keep].said
    thread = "" if threads.current == "main" else f" -t {threads.current}"
    put_below(magics.notebook_shell, f"%%assistant{thread} --turn {turn}\n{prompt}")


def save(magics: Config, words: list[str]) -> Table:
    """Write a thread, the current one by default, to a file: `save FILE [NAME]`."""
    if len(words) not in (1, 2):
        raise UsageError("write it as %assistant save FILE, or %assistant save FILE THREAD")
    magics.session.threads.known(words[1] if len(words) == 2 else "").save(words[0])
    return Table(("", ""), (("saved", words[0]),))


def export(magics: Config, words: list[str]) -> Table:
    """Write a thread as a notebook, a page or markdown: `export FILE.ipynb|.html|.md [NAME]`."""
    from ...export import export

    if len(words) not in (1, 2):
        raise UsageError("write it as %assistant export FILE.ipynb, FILE.html or FILE.md")
    threads = magics.session.threads
    path = export(threads.known(words[1] if len(words) == 2 else ""), words[0])
    return Table(("", ""), (("exported", str(path)),))


def open_(magics: Config, words: list[str]) -> Table:
    """Take in a thread that the endpoint holds, by its id, and go on with it: `open ID [NAME]`."""
    if len(words) not in (1, 2):
        raise UsageError("write it as %assistant open ID, or %assistant open ID NAME")
    assistant = magics.session.assistant(magics.session.settings(magics.choices()))
    assistant.open(words[0], words[1] if len(words) == 2 else "")
    return _now(magics)


def load(magics: Config, words: list[str]) -> Table:
    """Read a thread from a file and go on with it: `load FILE [NAME]`."""
    if len(words) not in (1, 2):
        raise UsageError("write it as %assistant load FILE, or %assistant load FILE THREAD")
    magics.session.threads.load(words[0], words[1] if len(words) == 2 else "")
    return _now(magics)


def _now(magics: Config) -> Table:
    threads = magics.session.threads
    turns, begins = _about(threads[threads.current])
    rows = [("thread", threads.current), ("turns", turns)]
    return Table(("", ""), (*rows, *([("begins with", begins)] if begins else [])))


def _about(conversation: Conversation | None) -> tuple[str, str]:
    turns = conversation.turns if conversation else ()
    if conversation is None or not turns:
        return str(len(turns)), ""
    first = " ".join(conversation.messages[turns[0]].said.split())
    return str(len(turns)), first if len(first) <= 60 else first[:59] + "…"


def _one(usage: str, words: list[str]) -> str:
    if len(words) > 1:
        raise UsageError(f"write it as %assistant {usage}")
    return words[0] if words else ""


def _number(usage: str, words: list[str]) -> int:
    if len(words) != 1 or not words[0].isdigit():
        raise UsageError(f"write it as %assistant {usage}, N a number of turns")
    return int(words[0])


def resume(magics: Config, words: list[str]) -> Any:
    """Read on the reply that a cell with --leave left to the endpoint: `resume [-t THREAD]`."""
    options, more = parse_words(words, "%assistant resume")
    if more:
        raise UsageError(f"%assistant resume takes no prompt, and got {more!r}; -t names the thread")
    return run_prompt(magics, "", options, resume=True)
