"""What runs first in a sandbox: `python bootstrap.py MEMORY PROCESSES FILE_SIZE PROGRAM ARGUMENT...`.

It sets limits that count in the sandbox alone and then becomes the program. Only the standard library is there.
"""

import os
import resource
import sys


def main() -> None:
    """Set the limits, and become what is to run."""
    memory, processes, size = (int(number) for number in sys.argv[1:4])
    limits = (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_NOFILE, 512),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    )
    for which, most in limits:
        resource.setrlimit(which, (most, most))
    os.execv(sys.argv[4], sys.argv[4:])


if __name__ == "__main__":
    main()
