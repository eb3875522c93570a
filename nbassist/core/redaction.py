"""Secrets are not shown: they are replaced before the model, a display or a file gets them, in every form."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote

from .events import (
    ApprovalAnswered,
    ApprovalAsked,
    CitationAdded,
    Event,
    MimeBundle,
    ReasoningDelta,
    RefusalDelta,
    Retrying,
    ServerToolEvent,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallReady,
    ToolFinished,
    TurnEnded,
    Warned,
)
from .messages import ToolCall

__all__ = ["Redactor", "is_secret"]

E = TypeVar("E", bound=Event)
_Delta = TextDelta | ReasoningDelta | RefusalDelta | ToolArgumentsDelta


class Redactor:
    """Replaces the secrets of the environment, in each form in which they may be written.

    Parameters
    ----------
    environ : mapping of str to str, optional
        The environment of the process, as it is now, by default.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        found = dict(secrets_of(os.environ if environ is None else environ))
        # The longest first: one secret may be the beginning of another.
        self._found = sorted(found.items(), key=lambda item: -len(item[0]))
        self._longest = len(self._found[0][0]) if self._found else 0
        # Forms of one secret begin alike: most texts hold none of these beginnings, and are looked at for no more.
        self._begin: dict[str, list[tuple[str, str]]] = {}
        for item in self._found:
            self._begin.setdefault(item[0][:_HEAD], []).append(item)
        self._heads = {form[:size] for form, _ in self._found for size in range(1, min(_HEAD, len(form)))}
        self._written: dict[str, str] = {}  # arguments of calls as the model wrote them, by the call's id

    def text(self, text: str) -> str:
        """Return `text` with each secret replaced by the name of its variable in brackets."""
        near = [item for head, items in self._begin.items() if head in text for item in items]
        for value, name in sorted(near, key=lambda item: -len(item[0])):
            text = text.replace(value, f"[{name}]")
        return text

    def restored(self, text: str, original: str) -> str:
        """Return `text`, which a person edited, with the secrets that stood in the original in their places again."""
        for value, name in self._found:
            # Only what stood there: a person who writes `[OPENAI_API_KEY]` by hand does not get the key into the call.
            if value in original:
                text = text.replace(f"[{name}]", value)
        return text

    def event(self, event: E) -> E:
        """Return `event` with the secrets in all that is said in it replaced."""
        if not self._found:
            return event
        changed: Any = event
        match event:
            case ToolFinished():
                changed = self._tool_finished(event)
            case ApprovalAsked():
                changed = replace(event, arguments=self.text(event.arguments), problem=self.text(event.problem))
            case ApprovalAnswered():
                changed = replace(event, arguments=self.text(event.arguments), comment=self.text(event.comment))
            case ToolCallReady():
                arguments = self.text(event.arguments)
                if arguments != event.arguments:
                    self._written[event.call_id] = event.arguments
                    changed = replace(event, arguments=arguments)
            case ServerToolEvent():
                changed = replace(event, text=self.text(event.text), output=self.text(event.output))
            case CitationAdded():
                # A file is bytes, in which nothing can be replaced: one that holds a secret does not come.
                data, held = event.data, event.data.decode("utf-8", "replace")
                title, url, passage = map(self.text, (event.title, event.url, event.passage))
                if self.text(held) != held:
                    # The passage is its beginning, and may be cut within the secret.
                    data, passage = b"", passage[: self.unfinished(passage)]
                changed = replace(event, title=title, url=url, passage=passage, data=data)
            case Warned():
                changed = replace(event, text=self.text(event.text))
            case TurnEnded() | Retrying():
                changed = replace(event, detail=self.text(event.detail))
        return changed  # type: ignore[no-any-return]

    def calls(self, calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
        """Return calls as the model wrote them, so that they run as it meant; only what is kept of them is marked."""
        return tuple(replace(call, arguments=self._written.get(call.id, call.arguments)) for call in calls)

    def turn(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass on what a model writes, with its secrets replaced wherever the pieces of its text are cut."""
        if not self._found:
            yield from events
            return
        held = _Held(self)
        try:
            for event in events:
                yield from held.feed(event)
        # A generator that is being closed must not yield.
        except GeneratorExit:
            raise
        except BaseException:
            yield from held.flush()  # what came before a break is kept
            raise
        yield from held.flush()

    async def aturn(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """As `turn`, on an event loop."""
        held = _Held(self)
        async with aclosing(events) as going:  # type: ignore[type-var]  # it is a generator
            try:
                async for event in going:
                    for one in held.feed(event):
                        yield one
            except GeneratorExit:
                raise
            except BaseException:  # a cancellation, too
                for one in held.flush():
                    yield one
                raise
        for one in held.flush():
            yield one

    def unfinished(self, text: str) -> int:
        """Return from where on `text` may be the beginning of a secret; its length where nothing may."""
        # Nothing further from the end than the longest secret can still become one.
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            end = text[at:]
            if len(end) < _HEAD and end in self._heads:
                return at
            if any(form.startswith(end) for form, _ in self._begin.get(end[:_HEAD], ()) if len(form) > len(end)):
                return at
        return len(text)

    def _tool_finished(self, event: ToolFinished) -> ToolFinished:
        return replace(
            event,
            output=self.text(event.output),
            error=None if event.error is None else self.text(event.error),
            traceback=self.text(event.traceback),
            display=tuple(map(self.bundle, event.display)),
        )

    def bundle(self, bundle: MimeBundle) -> MimeBundle:
        """Return a display with the secrets in it replaced."""
        return {mime: self._content(data) for mime, data in bundle.items()} if self._found else bundle

    def _content(self, data: Any) -> Any:
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {key: self._content(value) for key, value in data.items()}
        return [self._content(value) for value in data] if isinstance(data, list) else data


class _Held:
    """The end of a text that may be the beginning of a secret, kept back until more of it comes."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._last: _Delta | None = None

    def feed(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, _Delta):
            yield from self.flush()
            yield self._redactor.event(event)
            return
        # Of another kind, or of another call: a secret does not run from one text into another.
        if self._last is not None and replace(self._last, text="") != replace(event, text=""):
            yield from self.flush()
        text = self._redactor.text((self._last.text if self._last else "") + event.text)
        cut = self._redactor.unfinished(text)
        self._last = replace(event, text=text[cut:]) if cut < len(text) else None
        if cut:
            yield replace(event, text=text[:cut])

    def flush(self) -> Iterator[Event]:
        last, self._last = self._last, None
        if last is not None:
            yield last


_HEAD = 4  # characters
SHORTEST = 8  # characters; a shorter value would be found in ordinary text
_LINE = 16  # characters of one line of a secret that is secret by itself
# The exceptions are words that only look so: TOKENIZERS_PARALLELISM, AUTHOR, the shell's own PWD and OLDPWD, and the
# programs of GIT_ASKPASS and SSH_ASKPASS. The second of a kind has a number behind it.
_NAMES = re.compile(
    r"SECRET|TOKEN(?!I[ZS])|PASS_?WORD|PASSWD|PASSPHRASE|PASSCODE|CREDENTIALS?(?:_|$)|WEBHOOK|BEARER|COOKIE"
    r"|(?:API|ACCESS|PRIVATE|SECRET|SIGNING|ENCRYPTION|MASTER|ACCOUNT)_?KEY|AUTH(?!OR(?!I[ZS]))"
    r"|(?:^|_)(?:JWT|PAT|CREDS?)(?:_|\d*$)|(?:_KEY|(?<!ASK)PASS|(?<!^OLD)(?<!^)PWD|(?:^|_)PW)(?:_?\d+)?$",
    re.IGNORECASE,
)
_PLACES = re.compile(r"_(?:SOCK|FILE|PATH|DIR|HOME|PID|TTY)$", re.IGNORECASE)  # of something, not the thing itself
# People write passwords into addresses as they are: one ends at the last `@` before the path, and may hold a slash
# where it does not begin as a port does.
_IN_URL = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://(?P<user>[^\s:/?#@]*):"
    r"(?P<password>[^\s/?#]+(?=@)|(?!\d+[/?#])[^\s@]{1,200}(?=@))"
)
_CALLED = r"(?:pass_?word|passwd|passphrase|pwd|secret|token|(?:api|access|account|private)[_-]?key|sig)"
# `name=value` of a query or a connection string, in quotes or braces, too; `"name": "value"` of JSON; a header; an
# option of a command, if it is no variable of a shell; Oracle's own form of address.
_IN_PAIRS = re.compile(
    rf"(?:^|[?&;,\s])(?:\w{{1,40}}[_-]|shared)?{_CALLED}\s?=\s?(?:'([^']+)'|\"([^\"]+)\"|\{{([^}}]+)\}}|([^\s;&]+))"
    rf"|[\"'](?:\w{{1,40}}[_-])?(?:{_CALLED}|auth)[\"']\s?:\s?(?:\"((?:[^\"\\]|\\.)+)\"|'([^']+)')"
    r"|authorization[\"']?\s?[=:]\s?[\"']?(?:bearer|basic|token)(?:\s|%20)([^\s;,&\"']+)"
    # `--no-password` takes none, and `--pwd /work` is a folder.
    r"|(?:^|\s)--?(?:(?!no-)\w{1,40}-)?(?:pass_?word|passwd|passphrase|pwd(?![=\s]\s{0,3}/)|token|api-key)(?:=|\s{1,4})"
    r"(?:'([^']+)'|\"([^\"$][^\"]*)\"|([^\s'\"$<{-]\S*))"
    # Names and passwords of a database are short; without a bound each `oracle:` would read to the end of the text.
    r"|\boracle:(?:thin|oci8?):[^\s/@]{1,200}/([^\s@]{1,200})(?=@)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether a variable's name says that its value is secret."""
    return _NAMES.search(name) is not None and _PLACES.search(name) is None


def secrets_of(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give each form of each secret in `environ`, with the name of its variable; a form may come twice."""
    for name, value in environ.items():
        found = set(_inside(value))
        # Of an address with a password in it the password is the secret, and no more.
        if is_secret(name) and not _IN_URL.search(value):
            found.add(value)
        found |= {line for one in found for line in one.splitlines() if len(line) >= _LINE and "-----" not in line}
        yield from ((form, name) for one in found if len(one.strip()) >= SHORTEST for form in forms_of(one))
        for match in _IN_URL.finditer(value):
            yield base64.b64encode(unquote(f"{match['user']}:{match['password']}").encode()).decode(), name
            if len(unquote(match["password"])) < SHORTEST:  # by itself it would be found in ordinary text
                yield f"{match['user']}:{match['password']}@", name


def _inside(value: str) -> Iterator[str]:
    for match in _IN_URL.finditer(value):
        yield from (match["password"], unquote(match["password"]))
    for match in _IN_PAIRS.finditer(value):
        found = next(filter(None, match.groups()))
        yield from (found, found.partition(",")[0], unquote(found))
        with suppress(ValueError):  # JSON escapes it
            yield str(json.loads(f'"{found}"'))


def forms_of(secret: str) -> set[str]:
    """Return the forms in which a secret may be written."""
    once = set(_in_quotes(secret))
    # A program shows what another wrote: JSON in a repr, a repr in JSON.
    forms = {secret, *once, *(form for inner in once for form in _in_quotes(inner))}
    # After the encoders of Python, of a path, and of JavaScript for a part and for a whole address.
    for safe in ("", "/", "!'()*", "!'()*;,/?:@&=+$#"):
        quoted = quote(secret, safe=safe, errors="replace")
        forms |= {quoted, _HEX.sub(lambda code: code[0].lower(), quoted)}
    forms |= {quote_plus(secret, errors="replace"), escape(secret), escape(secret, quote=False)}
    forms |= {escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"), secret.replace("\n", "\r\n")}
    raw = secret.encode("utf-8", "replace")
    for before in range(3):  # where in its groups of three bytes the secret begins
        # Six bits a letter: those that hold bits of what stands before or behind are not the secret's own.
        part = slice((before * 8 + 5) // 6, (before + len(raw)) * 8 // 6)
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")[part]
        forms |= {whole, whole.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST}


_HEX, _FOR_PAGES = re.compile(r"%[0-9A-F]{2}"), str.maketrans({"&": r"\u0026", "<": r"\u003c", ">": r"\u003e"})


def _in_quotes(text: str) -> Iterator[str]:
    """Give a text as JSON and Python write it in quotes."""
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        # PHP escapes slashes, and Go what begins a tag or a reference.
        yield from (escaped, escaped.replace("/", "\\/"), escaped.translate(_FOR_PAGES))
    written = ["".join(one if one in "'\"" else write(one)[1:-1] for one in text) for write in (repr, ascii)]
    written.append(repr(text.encode("utf-8", "replace") + b"\"'")[2:-4].replace("\\'", "'"))
    # Whether repr escapes a quote, and which, goes by what else is in the text around.
    yield from (form for plain in written for form in (plain, plain.replace("'", "\\'")))
