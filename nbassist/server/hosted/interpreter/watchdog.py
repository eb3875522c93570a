"""What a sandbox takes in all: the sums that no limit of the system's counts. Read from `/proc`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxUsage:
    """Bytes of memory of all processes of a sandbox, seconds of the processor, and how many processes there are."""

    memory: int = 0
    cpu_seconds: float = 0.0
    processes: int = 0


def usage_of(pid: int) -> SandboxUsage:
    """Return what the processes take that share the process namespace of `pid`; zeros where there are none."""
    try:
        namespace = os.readlink(f"/proc/{pid}/ns/pid_for_children")
    except OSError:
        return SandboxUsage()
    return _sum(lambda name, fields: os.readlink(f"/proc/{name}/ns/pid") == namespace)


def usage_of_group(group: int) -> SandboxUsage:
    """Return what the processes of a group take; zeros where there are none."""
    return _sum(lambda name, fields: int(fields[2]) == group)


def _sum(is_mine: Callable[[str, list[str]], bool]) -> SandboxUsage:
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    memory, ticks, number = 0, 0, 0
    for name in os.listdir("/proc"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ValueError, IndexError):
            if not name.isdigit():
                continue
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                # Behind the name, which may hold blanks and parentheses.
                fields = file.read().rpartition(")")[2].split()
            if not is_mine(name, fields):
                continue
            with open(f"/proc/{name}/statm", encoding="ascii") as file:
                of_process = file.read().split()
            # Shared pages of libraries are counted once for each process; files in memory are shared, too, and count.
            memory += int(of_process[1]) * page
            ticks += sum(int(fields[place]) for place in (11, 12, 13, 14))
            number += 1
    return SandboxUsage(memory, ticks / tick, number)
