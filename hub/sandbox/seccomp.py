"""A filter in the kernel: from now on, this process may do little more than compute, read and write what is open."""

import ctypes
import platform
import struct
import sys

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # to fail is EPERM
_LOAD, _EQUALS, _ANSWER = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
_NUMBER, _ARCHITECTURE = 0, 4  # where they stand in what the kernel shows a filter

# What an interpreter needs once it has everything loaded. Nothing here opens, connects, starts or signals anything.
_CALLS = {
    "x86_64": (
        0xC000003E,
        {
            "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
            "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "mremap": 25, "madvise": 28, "getpid": 39,
            "exit": 60, "futex": 202, "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231, "sched_yield": 24,
            "sigaltstack": 131, "getrandom": 318, "gettimeofday": 96,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226, "munmap": 215,
            "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "mremap": 216, "madvise": 233,
            "getpid": 172, "exit": 93, "futex": 98, "clock_gettime": 113, "clock_nanosleep": 115, "exit_group": 94,
            "sched_yield": 124, "sigaltstack": 132, "getrandom": 278, "gettimeofday": 169,
        },
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _filter(architecture: int, calls: list[int]) -> bytes:
    steps = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUALS, architecture, yes=1),
        _instruction(_ANSWER, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    for index, number in enumerate(calls):
        steps.append(_instruction(_EQUALS, number, yes=len(calls) - index))
    return b"".join((*steps, _instruction(_ANSWER, _FAIL), _instruction(_ANSWER, _ALLOW)))


def confine() -> bool:
    """Confine this process for the rest of its life. False where the kernel or the machine does not offer it."""
    known = _CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    architecture, calls = known
    code = _filter(architecture, sorted(calls.values()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    try:
        control = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    if control(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return control(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) == 0
