"""The flags of the cell's first line: how each is written, and the parser that knows them.

The options of a prompt come from `nbassist.run.options`, with their help; only what is about the notebook or a sweep is
written here.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any, NoReturn

from ...errors import UsageError
from ...run.options import FLAGS, REASONING, Flag

_OURS = ("model", "messages", "input", "stream", "stream_options", "thread", "previous_response_id", "conversation")
"""Parameters on the wire that the run itself sets."""
_COMMON = """
temperature top_p top_k min_p seed n max_tokens max_completion_tokens max_output_tokens stop frequency_penalty
presence_penalty repetition_penalty repeat_penalty logit_bias logprobs top_logprobs response_format reasoning_effort
service_tier parallel_tool_calls tool_choice metadata user store verbosity text truncation include num_ctx keep_alive
think
"""
_PARAMETERS = tuple(_COMMON.split())
"""Names on the wire that are common."""
# JSON writes these three another way, and whoever sits in a notebook writes Python.
_WORDS = {"True": True, "False": False, "None": None}


class Parser(argparse.ArgumentParser):
    """Errors in one line, with the nearest flag or value that there is.

    Attributes
    ----------
    words : list of str
        What is parsed, for the errors.
    """

    words: list[str] = []  # noqa: RUF012  # set anew for each line

    def error(self, message: str) -> NoReturn:
        # argparse hands over its finished sentence and nothing else, so what is wrong is read out of it.
        _, found, rest = message.partition("unrecognized arguments: ")
        unknown = rest.split(" ")[0]
        if found and unknown.startswith("-"):
            known = [flag for action in self._actions for flag in action.option_strings]
            near = get_close_matches(unknown, known, n=1)
            raise UsageError(
                f"there is no flag {unknown}; " + (f"did you mean {near[0]}?" if near else f"{self.prog}? lists them")
            )
        if found:
            raise UsageError(_beside(unknown, self.words))
        raise UsageError(message)


def _beside(word: str, words: list[str]) -> str:
    """What to do about a word that belongs to no flag."""
    at = words.index(word) if word in words else 0
    line = f"{word!r} stands beside the flags: the prompt belongs on the lines below"
    # A flag, its value, and then this word: most likely the value was meant to have both.
    if at >= 2 and words[at - 2].startswith("-"):
        rest = words[at - 1 :]
        end = next((place for place, one in enumerate(rest) if one.startswith("-")), len(rest))
        value = " ".join(rest[:end])
        return f'{line}; a value of several words stands in quotes: {words[at - 2]} "{value}"'
    return f"{line}, and a model is named with -m {word}" if at == 0 else line


def identifier(value: str) -> str:
    """Return `value` where it can be a variable's name."""
    if value and (not value.isidentifier() or iskeyword(value)):
        raise argparse.ArgumentTypeError(f"{value!r} can't be a variable's name")
    return value


def level(value: str) -> str:
    """Return `value` where it is a level of reasoning."""
    if value and value not in REASONING:
        near = get_close_matches(value, REASONING, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(REASONING)}"
        raise argparse.ArgumentTypeError(f"there is no level {value!r}; {hint}")
    return value


def names(value: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def parameter(value: str) -> tuple[str, Any]:
    """Read `NAME=VALUE`, the value as JSON or a list or dict of Python's where it is that, else as text."""
    name, equals, text = value.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{value!r} is no parameter: write it as name=value, such as temperature=0.2")
    if name in _OURS:
        raise argparse.ArgumentTypeError(f"{name} can't be set with -p: the run sets it itself")
    # An endpoint ignores what it does not know, or refuses it in words of its own: a slip is told before anything is
    # asked.
    if near := _misspelt(name):
        raise argparse.ArgumentTypeError(f"there is no parameter {name}; did you mean {near}={text}?")
    return name, _value(text)


def _misspelt(name: str) -> str:
    """The parameter that is meant; empty where the name is known, or like none: engines have their own."""
    if name in _PARAMETERS:
        return ""
    # `temp` and the like; where several begin so, nothing is guessed.
    longer = [one for one in _PARAMETERS if len(name) > 2 and one.startswith(name)]
    return longer[0] if len(longer) == 1 else next(iter(get_close_matches(name, _PARAMETERS, n=1, cutoff=0.85)), "")


def varied(value: str) -> tuple[str, tuple[Any, ...]]:
    """Read `NAME=A,B`: each value as `parameter` does; a list stands for its items."""
    name, equals, text = value.partition("=")
    if not equals or not name.isidentifier() or not text.strip():
        raise argparse.ArgumentTypeError(f"{value!r} varies nothing: write it as name=a,b, such as temperature=0,1")
    listed = _value(text)
    if isinstance(listed, list):
        return name, tuple(listed)
    return name, tuple(_value(one.strip()) for one in text.split(",") if one.strip())


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        value = json.loads(text)
    except ValueError:
        value = _python(text)
    if not _is_finite(value):
        raise argparse.ArgumentTypeError(f"{text} is no number that can be sent")
    return value


def _python(text: str) -> Any:
    """A list or a dict as Python writes it, with single quotes; else the text."""
    if not text.lstrip().startswith(("[", "{", "(")):
        return text
    try:
        value = ast.literal_eval(text.strip())
        # As JSON has it: it is sent, and shown as what was sent.
        return json.loads(json.dumps(value)) if isinstance(value, list | dict | tuple) else text
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


_READ: Mapping[str, Callable[[str], Any]] = {
    "names": names,
    "parameter": parameter,
    "level": level,
    "number": int,
}
"""How the value of a flag is read, by `Flag.reads`."""
_GROUPS = (
    "where it goes",
    "the conversation",
    "what goes with the prompt",
    "what comes back",
    "many variants side by side",
    "what is kept",
)


def parser(prog: str = "%%assistant") -> Parser:
    """Return the parser of the cell's first line, or of a command that takes its flags; its help is the magic's.

    What is said of a prompt stands under its name in `PromptOptions`, and only where it was said.
    """
    made = Parser(
        prog=prog,
        description="Send the cell to a model; its reply streams in, and the functions marked @tool that it calls run.",
        epilog="{{ expression }} in the prompt is filled in from the notebook.",
        add_help=False,
        # An abbreviation that works today would mean another flag, or none, once there are more of them.
        allow_abbrev=False,
    )
    groups: dict[str, Any] = {"": made, **{name: made.add_argument_group(name) for name in _GROUPS}}
    for name, flag in FLAGS.items():
        _add(groups[flag.group], name, flag)
    _add_of_the_notebook(groups)
    _add_of_a_sweep(groups["many variants side by side"])
    return made


def _add(group: Any, name: str, flag: Flag) -> None:
    # Left out where it was not said: the options of a prompt have their defaults elsewhere, and None may be a value.
    said: dict[str, Any] = {"dest": name, "help": flag.help, "default": argparse.SUPPRESS}
    if not flag.metavar:
        group.add_argument(*flag.names, action="store_true", **said)
        return
    if flag.several:
        said["action"] = "append"
    if flag.choices:
        said["choices"] = ("", *flag.choices)
    if flag.reads:
        said["type"] = _READ[flag.reads]
    group.add_argument(*flag.names, metavar=flag.metavar, **said)


def _add_of_the_notebook(groups: Mapping[str, Any]) -> None:
    """Add what is about the cell or the notebook, and so no option of a prompt."""
    groups["where it goes"].add_argument(
        "--profile", default="", metavar="NAME", help="the endpoint, by its profile or URL"
    )
    groups["the conversation"].add_argument(
        "--append", action="store_true", help="add a turn even where this cell ran before (else it replaces its own)"
    )
    prompt = groups["what goes with the prompt"]
    prompt.add_argument("--raw", action="store_true", help="send {{ }} as they are; \\{{ does so for one of them")
    prompt.add_argument("--show-prompt", action="store_true", help="print what goes out, with all that is filled in")
    back = groups["what comes back"]
    back.add_argument("--to", type=identifier, default="", metavar="VARIABLE", help="a variable that gets the reply")
    back.add_argument("--code", action="store_true", help="put the code of the reply into a cell below")
    groups[""].add_argument(
        "--tools", type=names, metavar="A,B", help="only these tools may be called; globs are allowed"
    )
    groups[""].add_argument("--no-tools", action="store_true", help="no tool may be called")


def _add_of_a_sweep(many: Any) -> None:
    many.add_argument(
        "--vary",
        type=varied,
        action="append",
        default=[],
        metavar="NAME=A,B",
        help="try each value: of model, profile, system, reasoning, prompt (variables or files), or a parameter",
    )
    many.add_argument("--over", default="", metavar="EXPR", help="for each row or item: {{ row.column }}, {{ item }}")
    many.add_argument("--repeat", type=int, default=0, metavar="N", help="ask each N times")
    many.add_argument("--jobs", type=int, default=0, metavar="N", help="runs at once (default: 4)")
    many.add_argument("--rpm", type=int, default=0, metavar="N", help="requests in any minute")
    many.add_argument("--tpm", type=int, default=0, metavar="N", help="tokens in any minute")
    many.add_argument(
        "--check",
        dest="checks",
        action="append",
        default=[],
        metavar="EXPR",
        help="hold each reply against an expression over text, reply, value and row, or a function; may be given again",
    )
    many.add_argument(
        "--judge",
        dest="judges",
        action="append",
        default=[],
        metavar="RUBRIC",
        help="have a model grade each reply from 1 to 5; {{ row.column }} is filled in; may be given again",
    )
    many.add_argument("--judge-model", default="", metavar="NAME", help="the model that grades (default: that asked)")
    many.add_argument(
        "--only", choices=("", "failed"), default="", metavar="failed", help="ask anew only what failed before"
    )
    many.add_argument(
        "--best-of", action="store_true", help="ask columns that have lost by checks or judge no more (needs many rows)"
    )
    many.add_argument("--on", default="", metavar="WHERE", help="run on a Dask cluster: dask://HOST:PORT, or a Client")
    many.add_argument("--batch", action="store_true", help="ask through the Batch API: cheaper, within a day")
    many.add_argument("--dry-run", action="store_true", help="print the plan and what it costs, and stop")
    many.add_argument("--yes", action="store_true", help="run it however large it is")


def parameters(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return the parameters by name.

    Raises
    ------
    UsageError
        Where one is given twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"-p {name} is given twice")
        found[name] = value
    return found
