"""What runs first where Landlock holds: `python confine.py PLAN PROGRAM ARGUMENT...`; it shuts itself in.

PLAN is JSON: `read` and `write` are paths, `filter` is the program of seccomp in hexadecimal, `limits` are numbers and
values of `setrlimit`. Only the standard library is there. Sources: landlock(7), `linux/landlock.h`, seccomp(2).
"""

import ctypes
import json
import os
import resource
import struct
import sys

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_ALL_FILES, _ALL_NETWORK, _ALL_SCOPES = (1 << 16) - 1, 3, 3
_READ = 1 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
_DEVICES = 1 << 6 | 1 << 11  # make one
_OF_A_FILE = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2


def main() -> None:
    """Shut this process in, and become what is to run."""
    plan = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)

    def call(*arguments: object) -> int:
        found = libc.syscall(*arguments)
        if found < 0:
            raise OSError(ctypes.get_errno(), "Landlock refused")
        return int(found)

    for which, most in plan["limits"]:
        resource.setrlimit(which, (most, most))
    rules = struct.pack("=QQQ", _ALL_FILES, _ALL_NETWORK, _ALL_SCOPES)
    ruleset = call(_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
    granted = [(path, _READ) for path in plan["read"]]
    granted += [(path, _ALL_FILES & ~_DEVICES & ~1) for path in plan["write"]]
    for path, rights in granted:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not on this machine
            continue
        rights = rights if os.path.isdir(path) else rights & _OF_A_FILE
        call(_ADD, ruleset, 1, struct.pack("=Qi", rights, opened), 0)
        os.close(opened)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError("new privileges can't be ruled out")
    call(_RESTRICT, ruleset, 0)
    os.close(ruleset)
    # Loaded last: what comes before it would be refused by it.
    program = bytes.fromhex(plan["filter"])
    kept = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(kept)))
    if libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(head), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
