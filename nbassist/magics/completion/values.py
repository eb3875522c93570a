"""What may stand in a cell of ours: flags, their values, commands and their words, and names of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...errors import NbassistError
from ...run.options import FLAGS, REASONING
from ..commands import COMMANDS, find
from ..line.flags import parser

if TYPE_CHECKING:
    from ..config import Config

_PATIENCE = 1.0  # seconds for an endpoint to list its models, once; Tab is waited for by a person
_PARAMETERS = ("temperature=", "top_p=", "max_tokens=", "seed=", "presence_penalty=", "frequency_penalty=", "stop=")
_VARIED = ("model=", "profile=", "system=", "reasoning=", "temperature=", "top_p=")
_FORMATS = ("head", "text", "json", "markdown", "repr")


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that may stand at the cursor, and in a few words what it is; `about` may be empty."""

    text: str
    about: str = ""


class Values:
    """Knows the names of one notebook.

    Parameters
    ----------
    magics : Config
        Whose session, namespace and settings they are from.
    """

    def __init__(self, magics: Config) -> None:
        self._magics = magics
        self._models: dict[str, list[str]] = {}
        self._of_flag: Mapping[str, Callable[[], Sequence[Choice]]] = {
            "--thread": self._threads,
            "--model": self._known_models,
            "--judge-model": self._known_models,
            "--profile": self._profiles,
            "--reasoning": lambda: _listed(REASONING, "level"),
            "--cache": lambda: _listed(FLAGS["cache"].choices, "mode"),
            "--param": lambda: _listed(_PARAMETERS, "parameter"),
            "--tools": self._tools,
            "--see": lambda: [*self._variables(), Choice("cells", "the earlier cells")],
            "--over": lambda: self._variables(_can_be_gone_over),
            "--image": self._variables,
            "--to": self._variables,
            "--as": lambda: [Choice("json", "any JSON"), *self._variables(lambda value: isinstance(value, type))],
            "--on": lambda: self._variables(lambda value: type(value).__name__ == "Client"),
            "--turn": self._turns,
        }

    def flags(self, kind: str, before: Sequence[str]) -> list[Choice]:
        """Return the flags with their help; one that is given, and may be given once, is left out."""
        command = before[0] if kind == "line" and before else ""
        if kind == "line" and command not in _ASK:
            return _listed(_FLAGS_OF.get(command, ()), "flag")
        found = []
        for action in parser()._actions:
            again = type(action).__name__ == "_AppendAction"
            if again or not set(action.option_strings) & set(before):
                help_ = (action.help or "").replace("%%", "%")
                # The long spelling first: it says what it is.
                found += [Choice(flag, help_) for flag in reversed(action.option_strings)]
        return found

    def of_flag(self, flag: str, word: str) -> Sequence[Choice] | None:
        """Return what may follow a flag; None for a word that takes no value, and for one of any text."""
        if "=" in word and flag in ("--vary", "-p", "--param"):
            return self._of_parameter(word.partition("=")[0])
        if flag == "--vary":
            return _listed(_VARIED, "is varied")
        name = next((long for long in self._of_flag if flag in _spellings(long)), "")
        return self._of_flag[name]() if name else None

    def of_command(self, before: Sequence[str]) -> Sequence[Choice]:
        """Return what may follow the words of `%assistant`; the commands where there is none yet."""
        if not before:
            return [Choice(name, _first_line(find(name))) for name in COMMANDS]
        name, words = before[0], before[1:]
        if name == "tools":
            return self._of_tools(words)
        if name == "files" and not words:
            return [
                Choice("add", "files, folders, globs"),
                Choice("list", "what can be searched"),
                Choice("remove", ""),
            ]
        if name == "use":
            return [*self._profiles(), *self._threads()]
        if name in ("history", "delete", "rename", "save", "export", "fork"):
            return self._threads()
        if name == "models":
            return self._known_models()
        if name == "profiles":
            return _listed(("save",)) if not words else ()
        if name == "help":
            return [Choice(one, _first_line(find(one))) for one in COMMANDS]
        if name == "explain" and not words:
            return self._variables()
        return _listed(_FLAGS_OF.get(name, ()))

    def of_expression(self, before: Sequence[str], word: str) -> Sequence[Choice]:
        """Return what may stand in `{{ … }}`: names, their attributes, and behind a bar the formats."""
        if before and before[-1] == "|":
            return _listed(_FORMATS, "format")
        owner, dot, _ = word.rpartition(".")
        if not dot:
            return [*self._variables(), Choice("alt:", "texts that are tried in turn")]
        value = self._magics.notebook_shell.user_ns.get(owner)
        # The columns of a lazy frame would be computed to be listed: only those of a table that is there.
        columns = list(getattr(value, "columns", ())) if type(value).__name__ == "DataFrame" else []
        names = [one for one in (*map(str, columns), *dir(value)) if one.isidentifier() and not one.startswith("_")]
        return _listed(f"{owner}.{one}" for one in dict.fromkeys(names))

    def _of_parameter(self, name: str) -> Sequence[Choice]:
        kinds: Mapping[str, Callable[[], Sequence[Choice]]] = {
            "model": self._known_models,
            "profile": self._profiles,
            "reasoning": lambda: _listed(REASONING),
            "prompt": self._variables,
            "system": self._variables,
        }
        return kinds[name]() if name in kinds else ()

    def _of_tools(self, words: Sequence[str]) -> Sequence[Choice]:
        if not words:
            return [Choice("add", "functions, modules, objects, batteries, MCP servers"), Choice("remove", "by name")]
        if words[0] == "remove":
            return self._tools()
        from ..commands.tools import BATTERIES

        batteries = [Choice(name, "comes with nbassist") for name in BATTERIES]
        return [*batteries, *self._variables(lambda value: callable(value) or isinstance(value, ModuleType))]

    def _variables(self, wanted: Callable[[Any], bool] = lambda value: True) -> list[Choice]:
        shell = self._magics.notebook_shell
        names = sorted(name for name in shell.user_ns if not name.startswith("_") and name not in shell.user_ns_hidden)
        return [Choice(name, type(shell.user_ns[name]).__name__) for name in names if wanted(shell.user_ns[name])]

    def _threads(self) -> list[Choice]:
        return [Choice(_quoted(name), "thread") for name in self._magics.session.threads.names()]

    def _turns(self) -> list[Choice]:
        count = len(self._magics.session.threads[""].turns)
        return _listed(str(number) for number in range(count, 0, -1))

    def _tools(self) -> list[Choice]:
        from ...tools import current

        return [Choice(name, "tool") for name in current()]

    def _profiles(self) -> list[Choice]:
        from ...config.profiles import profiles

        return [Choice(name, "profile") for name in profiles()]

    def _known_models(self) -> list[Choice]:
        """The endpoint's models, asked for once and not waited for long."""
        try:
            settings = self._magics.session.settings(self._magics.choices())
        except NbassistError:
            return []  # the cell itself says what is wrong with them
        if settings.base_url not in self._models:
            found: list[str] = []

            def look() -> None:
                from ...backends import connect

                try:
                    found.extend(connect("chat", settings.base_url, settings.api_key, settings.access).models())
                except NbassistError:
                    return  # there is nothing to complete, and Tab is no place to say why

            if settings.base_url:
                # A thread, as the client has no such short limit of time, and the kernel answers nothing while Tab
                # waits.
                looking = Thread(target=look, daemon=True)
                looking.start()
                looking.join(_PATIENCE)
            # The list itself: an endpoint that answers too late for this Tab fills it for the next.
            self._models[settings.base_url] = found
        return [Choice(name, "model") for name in self._models[settings.base_url]]


_ASK = ("fix", "explain", "resume")
_FLAGS_OF: Mapping[str, tuple[str, ...]] = {
    "threads": ("--all",),
    "usage": ("--all",),
    "log": ("--cell", "--grep", "--since", "--all", "--diff"),
    "use": ("--thread", "--model", "--backend"),
    "tools": ("--key",),
}
"""Flags of commands that have their own; those that ask take the flags of a cell."""


def _spellings(long: str) -> tuple[str, ...]:
    return next((flag.names for flag in FLAGS.values() if long in flag.names), (long,))


def _listed(texts: Iterable[str], about: str = "") -> list[Choice]:
    return [Choice(text, about) for text in texts]


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name


def _first_line(command: Any) -> str:
    return (command.__doc__ or "").strip().splitlines()[0].replace("`", "")


def _can_be_gone_over(value: Any) -> bool:
    return not isinstance(value, str | bytes | type | ModuleType) and hasattr(value, "__iter__")
