"""A filter of system calls, as the program of BPF that the kernel takes: what a sandbox may not even ask for.

Sources: seccomp(2), `linux/seccomp.h`, `linux/filter.h`, and the tables of system calls of x86-64 and of arm64.
Bubblewrap takes the program by `--seccomp FD` and installs it last, so it binds all that runs inside.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping

# Calls that reach the kernel's rarely used parts, other processes, or new namespaces: numbers for x86-64, arm64.
_REFUSED: Mapping[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "fanotify_init": (300, 262),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "lookup_dcookie": (212, 18),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
}
# What changes a file's mode, owner and times, or how a process is scheduled, which Landlock does not look
# at. Where no namespace holds a
# process in, these do nothing and say that they did: libraries take no refusal.
_IGNORED_IN_THE_OPEN: Mapping[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
}
# Where no namespace holds a process in, also what Landlock leaves open: to talk to another's sockets and queues, to
# change what belongs to files or processes of the same user, and to leave the group by which all are ended.
_REFUSED_IN_THE_OPEN: Mapping[str, tuple[int | None, int | None]] = {
    "connect": (42, 203),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "process_mrelease": (448, 448),
    "setsid": (112, 157),
    "setpgid": (109, 154),
}
# Asked for with `clone3` these could not be looked at: glibc takes ENOSYS for an answer, and uses `clone`.
_CLONE3 = 435
_CLONE = (56, 220)
_SOCKET = (41, 198)
_LIMITS_OF = (302, 261)  # prlimit64, of one's own process alone
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_AF_UNIX, _AF_INET = 1, 2
_STREAM, _TYPES = 1, 0xF
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_EPERM, _ENOSYS, _EOPNOTSUPP = 1, 38, 95
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_X32 = 0x40000000


def program(machine: str | None = None, *, in_the_open: bool = False) -> bytes:
    """Return the filter for a machine, by default this one; `in_the_open` for a process that no namespace holds in.

    Raises
    ------
    ValueError
        Where there is none for such a machine.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise ValueError(f"there is no filter of system calls for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        # The numbers of x32 are others, for the same calls.
        lines += [_line(_AT_LEAST, _X32, 0, 1), _line(_RETURN, _ERRNO | _EPERM)]
    for numbers in (*_REFUSED.values(), *(_REFUSED_IN_THE_OPEN.values() if in_the_open else ())):
        if (number := numbers[column]) is not None:
            lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ERRNO | _EPERM)]
    for numbers in _IGNORED_IN_THE_OPEN.values() if in_the_open else ():
        if (number := numbers[column]) is not None:
            lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ERRNO)]
    lines += [_line(_EQUAL, _CLONE3, 0, 1), _line(_RETURN, _ERRNO | _ENOSYS)]
    lines += [
        _line(_EQUAL, _CLONE[column], 0, 4),
        _line(_LOAD, _ARGUMENT),
        _line(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _line(_RETURN, _ERRNO | _EPERM),
        _line(_RETURN, _ALLOW),
    ]
    if in_the_open:
        lines += _alone(column)
        lines.append(_line(_RETURN, _ALLOW))
        return b"".join(lines)
    # ipykernel talks to itself over the loopback, of which a sandbox has one of its own, and no other way out. Refused
    # are the sockets by which one talks to the kernel, or to the host of a virtual machine, with the error that has
    # ZeroMQ do without them.
    lines += [
        _line(_EQUAL, _SOCKET[column], 0, 5),
        _line(_LOAD, _ARGUMENT),
        _line(_EQUAL, _AF_UNIX, 2, 0),
        _line(_EQUAL, _AF_INET, 1, 0),
        _line(_RETURN, _ERRNO | _EOPNOTSUPP),
        _line(_RETURN, _ALLOW),
    ]
    lines.append(_line(_RETURN, _ALLOW))
    return b"".join(lines)


def _alone(column: int) -> list[bytes]:
    """Sockets of this machine's files alone, in streams, and limits of the process itself alone."""
    return [
        _line(_EQUAL, _LIMITS_OF[column], 0, 4),
        _line(_LOAD, _ARGUMENT),
        _line(_EQUAL, 0, 1, 0),
        _line(_RETURN, _ERRNO | _EPERM),
        _line(_RETURN, _ALLOW),
        _line(_EQUAL, _SOCKET[column], 0, 7),
        _line(_LOAD, _ARGUMENT),
        _line(_EQUAL, _AF_UNIX, 0, 3),
        _line(_LOAD, _ARGUMENT + 8),
        _line(_AND, _TYPES),
        _line(_EQUAL, _STREAM, 1, 0),
        _line(_RETURN, _ERRNO | _EOPNOTSUPP),
        _line(_RETURN, _ALLOW),
    ]


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; a jump goes so many lines further than the next."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
