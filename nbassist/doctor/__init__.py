"""What is here, what is reached, what is wrong, and the command that mends it: `nbassist doctor`, `%assistant doctor`.

Each check is a function that returns findings; what it trips over is a finding as well, so nothing is ever raised.
Imports the ground (`errors`, `core`), `backends`, `config`, `journal`, `server` and `threads`. Begin with
`checks.report`, which puts them in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import NbassistError
from .installed import Finding

__all__ = ["Finding", "examine"]


def examine(*checks: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Run checks, and return what they found, in order.

    Parameters
    ----------
    *checks : callable
        Each returns findings. One that fails is a finding of state "wrong" under the name of its function.
    """
    found: list[Finding] = []
    for check in checks:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            found.extend(check())
        except NbassistError as error:
            found.append(Finding.of_error(name, error))
        except Exception as error:  # noqa: BLE001 - what is broken here is what the doctor is asked about
            found.append(Finding(name, f"{type(error).__name__}: {error}", "wrong"))
    return found
