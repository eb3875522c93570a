"""What is written to the descriptors is taken before what is printed after it, however slow its reader is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors are taken where a kernel has them as pipes")
PROGRAM = """
import os, time
from nbassist.tools.descriptors import Descriptors

taken, wrong = [], []

def take(text):
    if text:
        time.sleep(0.05)  # the reader has what was written, and is not done with it
        taken.append(text)

made = Descriptors(take)
for number in range(20):
    os.write(1, b"%d " % number)
    time.sleep(0.02 * (number % 2))
    {look}
    if "".join(taken).split() != [str(one) for one in range(number + 1)]:
        wrong.append(number)
child = os.fork()
if not child:
    os._exit(made.is_waiting())
wrong += ["forked"] * os.waitpid(child, 0)[1]
made.end()
print(wrong)
"""


def out(look: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(look=look)], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_what_was_written_is_taken_before_what_comes_after_it() -> None:
    assert out("if made.is_waiting(): made.drain()") == "[]"


def test_without_waiting_it_would_not_be() -> None:
    assert out("pass") != "[]"
