"""`Threads`: the threads of one notebook by name, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.conversation import Conversation
from ..core.notices import tell_once
from ..core.text import one_line
from ..errors import ConversationError, LaterVersionError, UnreadableError
from .placement import Placement, place
from .storage import ThreadStorage

if TYPE_CHECKING:
    from filelock import BaseFileLock

MAIN = "main"
# A cell that is run again and again leaves a fork each time; so many are a way back, more would be litter.
_FORKS_KEPT = 5


class Threads:
    """Conversations by name; one of them is the current one.

    Parameters
    ----------
    shelf : ThreadStorage, optional
        Where they are kept; without it they live as long as this object.

    Attributes
    ----------
    current : str
        The thread of prompts that name none.
    """

    def __init__(self, shelf: ThreadStorage | None = None) -> None:
        self.shelf = shelf
        self.current = MAIN
        self._open: dict[str, Conversation] = {}
        self._left_alone: dict[str, str] = {}  # why, of threads whose files are not to be written
        self._stamps: dict[str, tuple[int, int]] = {}

    def names(self) -> list[str]:
        """Return their names: those that are kept, oldest first, then those that only began here."""
        kept = self.shelf.names() if self.shelf else []
        return [*kept, *(name for name in self._open if name not in kept and ":" not in name)]

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[Conversation]:
        return (self[name] for name in self.names())

    def __getitem__(self, name: str) -> Conversation:
        """Return a thread as it stands now, begun where there is none; an empty name is the current one.

        `NOTEBOOK:NAME` is a thread of another notebook, which is named by its path or the end of it.

        Raises
        ------
        ConversationError
            Where another notebook is named and has no such thread, or what is kept is damaged.
        """
        name = name or self.current
        shelf, own = self._where(name)
        stamp = shelf.stamp(own) if shelf else (0, 0)
        # Read again only where the file changed, by another notebook: the object is the one that a run may hold.
        if name not in self._open or stamp != self._stamps.get(name, (0, 0)):
            # A thread whose file was deleted elsewhere goes on here; with the next run it is written again.
            try:
                kept = shelf.read(own) if shelf else None
                self._left_alone.pop(name, None)
            except (UnreadableError, LaterVersionError) as error:
                kept, self._left_alone[name] = None, str(error)
            if kept is not None or name not in self._open:
                self._open[name] = kept or Conversation(own)
            self._stamps[name] = stamp
        return self._open[name]

    def known(self, name: str = "") -> Conversation:
        """Return a thread that is there already.

        Raises
        ------
        ConversationError
            Where there is none of that name, with the nearest that there is.
        """
        name = name or self.current
        if ":" not in name and name not in self.names() and name != MAIN:
            near = get_close_matches(name, self.names(), n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.names()) or 'none yet'}"
            raise ConversationError(f"there is no thread {name!r}; {hint}")
        return self[name]

    def use(self, name: str) -> Conversation:
        """Go on with a thread that is there."""
        found = self.known(name)
        self.current = name
        return found

    def new(self, name: str = "") -> Conversation:
        """Begin a thread, under a name that is free, and go on with it."""
        if name and name in self:
            raise ConversationError(f"there is a thread {name!r} already; %assistant use {name} goes on with it")
        self.current = _checked(name) if name else self._free("thread")
        return self[self.current]

    def fork(self, at: int | None = None, name: str = "", of: str = "") -> Conversation:
        """Begin a thread with the first `at` turns of another, all of them by default, and go on with it."""
        source_name = of or self.current
        source = self.known(source_name)
        if name and name in self:
            raise ConversationError(f"there is a thread {name!r} already: choose another name for the fork")
        if at is not None and not 0 <= at <= len(source.turns):
            raise ConversationError(f"this thread has {len(source.turns)} turns: there is no turn {at} to fork after")
        # Turns are what a person counts; the conversation counts messages.
        end = None if at is None or at == len(source.turns) else source.turns[at]
        name = _checked(name) if name else self._free(source_name.partition(":")[2] or source_name)
        self._put(name, source.fork(end, name))
        self.current = name
        return self[name]

    def undo(self, turns: int = 1, name: str = "") -> int:
        """Take back the last turns of a thread; return how many messages went."""
        name = name or self.current
        conversation = self.known(name)
        gone = conversation.undo(turns)
        self._save(name)
        return gone

    def rename(self, new: str, name: str = "") -> None:
        """Call a thread, the current one by default, something else."""
        name = name or self.current
        conversation = self.known(name)
        if new in self:
            raise ConversationError(f"there is a thread {new!r} already: choose another name")
        conversation.name = _checked(new)
        with _in_words(f"the thread {name!r} can't be renamed"):
            if self.shelf:
                self.shelf.rename(name, new)
        self._open.pop(name, None)
        self._put(new, conversation)
        if self.current == name:
            self.current = new

    def delete(self, name: str) -> None:
        """Forget a thread; where it was the current one, prompts go on with the main one."""
        self.known(name)
        with _in_words(f"the thread {name!r} can't be deleted"):
            if self.shelf:
                self.shelf.delete(name)
        self._open.pop(name, None)
        self._stamps.pop(name, None)
        if self.current == name:
            self.current = MAIN

    def load(self, path: str | Path, name: str = "") -> Conversation:
        """Read a file that `Conversation.save` wrote, as a new thread, and go on with it."""
        conversation = Conversation.load(path)
        name = name or conversation.name or Path(path).stem.replace(":", "-")
        self.current = name if name not in self else self._free(name)
        conversation.name = self.current
        self._put(self.current, conversation)
        return self[self.current]

    def adopt(self, conversation: Conversation, name: str) -> Conversation:
        """Take a conversation in as a thread, in place of one of that name, and go on with it."""
        conversation.name = _checked(name)
        self._put(name, conversation)
        self.current = name
        return self[name]

    def replace(self, name: str, conversation: Conversation) -> None:
        """Put another conversation in the place of a thread."""
        self._put(name, conversation)

    def save(self, name: str = "") -> None:
        """Keep a thread as it stands.

        Raises
        ------
        OSError
            Where the disk is full, or not to be written to.
        """
        name = name or self.current
        shelf, own = self._where(name)
        if why := self._left_alone.get(name):
            raise OSError(why)
        if shelf and name in self._open:
            shelf.write(own, self._open[name])
            self._stamps[name] = shelf.stamp(own)

    def hold(self, name: str = "", *, cell: str = "", turn: int | None = None) -> Hold:
        """Return what keeps a thread for one run: nobody else writes to it meanwhile."""
        return Hold(self, name or self.current, cell, turn)

    def put_aside(self, name: str) -> str:
        """Keep the thread as it is under another name, `name~N`, and return that; only the newest few are kept."""
        aside = self._free(name, "~")
        self._put(aside, self[name].fork(name=aside))
        forks = [one for one in self.names() if one.startswith(f"{name}~") and one.rpartition("~")[2].isdigit()]
        for old in sorted(forks, key=lambda one: int(one.rpartition("~")[2]))[:-_FORKS_KEPT]:
            self.delete(old)
        return aside

    def lock(self, name: str) -> BaseFileLock | None:
        """Return the lock on a thread, not yet taken; None where it lives in this process alone."""
        shelf, own = self._where(name)
        return shelf.lock(own) if shelf else None

    def _put(self, name: str, conversation: Conversation) -> None:
        self._open[name] = conversation
        self._save(name)

    def _save(self, name: str) -> None:
        """Keep a thread where that can be done; where it can't, it lives as long as the session, and that is told."""
        try:
            self.save(name)
        except OSError as error:
            tell_once("disk", f"the thread can't be kept on disk: {error}")

    def _free(self, stem: str, mark: str = "-") -> str:
        # After the highest, not the first that is free: `put_aside` takes the lowest number for the oldest fork.
        names = {*self.names(), *self._open}
        numbers = [
            int(n.rpartition(mark)[2]) for n in names if n.startswith(stem + mark) and n.rpartition(mark)[2].isdigit()
        ]
        return f"{stem}{mark}{max(numbers, default=1 if mark == '-' else 0) + 1}"

    def _where(self, name: str) -> tuple[ThreadStorage | None, str]:
        notebook, colon, own = name.rpartition(":")
        if not colon:
            return self.shelf, name
        # By the end of the path, which is what a person knows of it.
        found = [s for s in self.shelf.others() if s.notebook.endswith(notebook)] if self.shelf else []
        if not found:
            raise ConversationError(f"no notebook {notebook!r} keeps threads here; %assistant threads --all lists them")
        if len(found) > 1:
            raise ConversationError(f"{len(found)} notebooks end in {notebook!r}: name more of the path")
        if own not in found[0].names():
            raise ConversationError(f"{notebook} has no thread {own!r}; it has {', '.join(found[0].names())}")
        return found[0], own


class Hold:
    """A thread, kept for one run.

    Parameters
    ----------
    threads : Threads
        Where the thread is.
    name, cell : str
        The thread, and the cell that the prompt comes from.
    turn : int, optional
        The turn that the prompt is to replace.
    """

    def __init__(self, threads: Threads, name: str, cell: str = "", turn: int | None = None) -> None:
        self.name = name
        self.cell = cell
        self._threads = threads
        self._turn = turn
        self._problem = ""
        try:
            self._lock = threads.lock(name)
        except OSError:
            self._lock = None  # what can't be written needs no lock; keeping it tells of that
        self._before: Conversation | None = None
        self._placed = 0
        self._aside = ""

    def take(self, seconds: float) -> bool:
        """Try for so long to get the thread; return whether it was got."""
        if self._lock is None:
            return True
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=seconds, poll_interval=0.1)
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            self._lock = None  # as on a disk without locks: the reply comes all the same
        return True

    def begin(self) -> tuple[Conversation, Placement]:
        """Read the thread as it stands now, and make room for the prompt."""
        # Read with the lock held: another notebook may have written while we waited for it.
        conversation = self._threads[self.name]
        placing = place(conversation, self.cell, self._turn)
        if placing.action != "append":
            # A copy by way of the saved form: `undo` and the run change the conversation in place.
            self._before, self._placed = Conversation.from_dict(conversation.to_dict()), placing.turn
        # Before the turns go: the fork is of all of them.
        if placing.action == "fork":
            self._aside = self._threads.put_aside(self.name)
        if placing.action != "append":
            conversation.undo(len(conversation.turns) - placing.turn + 1)
        return conversation, placing

    def keep(self) -> str:
        """Write the thread as it stands; return what went wrong the first time, in one line, or an empty one."""
        try:
            self._threads.save(self.name)
            # A reply is never lost to a full disk: it goes on in memory, and is told of once.
        except (OSError, ValueError) as error:
            first, self._problem = not self._problem, str(error)
            return f"the thread can't be kept on disk: {error}" if first else ""
        return ""

    def settle(self) -> None:
        """After the run: where its prompt was taken back, the turns that it was to replace are there again."""
        if self._before is not None and len(self._threads[self.name].turns) < self._placed:
            self._threads.replace(self.name, self._before)
            if self._aside:
                self._threads.delete(self._aside)

    def release(self) -> None:
        """Let others have it."""
        if self._lock is not None and self._lock.is_locked:
            self._lock.release()


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Let a disk's refusal be one line."""
    try:
        yield
    except OSError as error:
        raise ConversationError(f"{what}: {error.strerror or error}") from error


def _checked(name: str) -> str:
    name = one_line(name, len(name) + 1)
    if not name or ":" in name or "~" in name:
        raise ConversationError(f"a thread can't be called {name!r}: a name has no : and no ~ in it")
    return name
