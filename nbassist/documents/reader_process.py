"""The process in which a file is read: `python -m nbassist.documents.reader_process KIND MEMORY SECONDS CHARACTERS`.

The file comes on standard input. The answer is lines of JSON on standard output: `{"page", "text"}` for each page, then
`{"end": ""}`, or `{"end": "why it can't be read"}`. A process that ends without such a line was ended by its limits.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ..core.installing import pip_install
from .file_types import tidied
from .parsers import PARSERS, NoTextError


def main(kind: str, memory: int, seconds: int, most: int) -> None:
    """Read standard input as a file of that kind; `most` characters are kept."""
    _limit(memory, seconds)
    content = sys.stdin.buffer.read()
    left, said = most, False
    try:
        for page, text in PARSERS[kind](content):
            tidy = tidied(text)[:left]
            left -= len(tidy)
            if tidy:
                said = True
                _tell({"page": page, "text": tidy})
            if left <= 0:
                break
    except NoTextError as error:
        return _tell({"end": str(error)})
    except ImportError as error:
        return _tell({"end": f"reading it needs {error.name}: {pip_install('files')}"})
    except (MemoryError, RecursionError):
        return _tell({"end": "it needs more memory to be read than a file may take"})
    _tell({"end": "" if said else "there is no text in it"})


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none; the time is limited from outside there
        return
    for which, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:5]))
