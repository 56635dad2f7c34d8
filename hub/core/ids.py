"""Identifiers: short, never the same twice, and sortable by time. They are names, not secrets."""

import os
import random
import time
from binascii import b2a_base64
from functools import lru_cache
from string import ascii_letters, digits

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# From base 64, which is made at once: of each six random bits five are used.
_TABLE = bytes.maketrans(f"{ascii_letters}{digits}+/".encode(), (_ALPHABET * 2).encode())
# Seeded by the operating system once; asking it for each identifier costs nine times as much.
_random = random.Random()  # noqa: S311 - identifiers are names, not secrets
_random_bits = _random.getrandbits
os.register_at_fork(after_in_child=_random.seed)  # else two workers would make the same ones


def new_id() -> str:
    """A new identifier of 26 characters: 48 bits of milliseconds, then 80 random bits (Crockford's base 32).

    The layout is that of a ULID, so identifiers sort by the time they were made.
    """
    rest = b2a_base64(_random_bits(96).to_bytes(12, "big"), newline=False).translate(_TABLE)
    at = time.time_ns() // 1_000_000
    return f"{_time(at >> 10)}{_ALPHABET[at >> 5 & 31]}{_ALPHABET[at & 31]}{rest.decode()}"


def made_at(identifier: str) -> float:
    """When an identifier was made, in seconds since 1970. Raises ValueError for what is none."""
    milliseconds = 0
    for char in identifier[:10]:
        milliseconds = milliseconds << 5 | _ALPHABET.index(char)
    return milliseconds / 1000


@lru_cache(maxsize=8)
def _time(seconds: int) -> str:
    """The first eight characters, which change about once in a second."""
    return "".join([_ALPHABET[seconds >> shift & 31] for shift in range(35, -1, -5)])
