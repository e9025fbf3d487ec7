"""Classic BPF, as much of it as a seccomp filter needs.

Source: https://docs.kernel.org/userspace-api/seccomp_filter.html and linux/seccomp.h:
a filter sees `int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]`.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

LOAD = 0x20
JUMP_EQUAL = 0x15
JUMP_AT_LEAST = 0x35
JUMP_ANY_BIT = 0x45
AND = 0x54
RETURN = 0x06

NUMBER = 0
ARCHITECTURE = 4

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000


def argument(index: int) -> int:
    """Return where the low half of an argument is, on a little-endian machine.

    That half is all the kernel reads of an `int`, and holds every flag that rules ask for.
    """
    return 16 + 8 * index


def fail(errno: int) -> int:
    """Return the verdict that a call is not made and returns `errno`; 0 feigns success."""
    return _ERRNO | errno


@dataclass(frozen=True)
class Step:
    """One instruction; `yes` and `no` count the steps to pass over."""

    code: int
    value: int
    yes: int = 0
    no: int = 0

    def pack(self) -> bytes:
        """Return a `struct sock_filter`. Raises ValueError for a jump that is too long."""
        try:
            return struct.pack("=HBBI", self.code, self.yes, self.no, self.value & 0xFFFFFFFF)
        except struct.error as err:
            raise ValueError(f"{self}: a jump passes over 255 steps at most") from err


def verdict(numbers: Sequence[int], value: int) -> list[Step]:
    """Return a rule: whichever arguments these system calls have, `value`."""
    if not numbers:
        return []
    last = len(numbers) - 1
    found = [Step(JUMP_EQUAL, number, yes=last - index) for index, number in enumerate(numbers)]
    found[-1] = Step(JUMP_EQUAL, numbers[-1], yes=0, no=1)
    return [*found, Step(RETURN, value)]


def only(number: int, body: Sequence[Step]) -> list[Step]:
    """Return a rule: for this system call, `body`, which ends in a verdict whatever happens."""
    return [Step(JUMP_EQUAL, number, no=len(body)), *body]


def one_of(index: int, values: Sequence[int], otherwise: int) -> list[Step]:
    """Return a body: allow the call if an argument is one of `values`, else `otherwise`."""
    return [
        Step(LOAD, argument(index)),
        *verdict(values, ALLOW),
        Step(RETURN, otherwise),
    ]


def any_bit(index: int, bits: int, then: int) -> list[Step]:
    """Return steps: `then` if an argument has one of `bits`, else on with the next step."""
    return [
        Step(LOAD, argument(index)),
        Step(JUMP_ANY_BIT, bits, yes=0, no=1),
        Step(RETURN, then),
    ]
