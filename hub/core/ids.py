"""Identifiers: short, never the same twice, and sortable by time. They are names, not secrets."""

import random
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
# Seeded by the operating system once; asking it for each identifier costs nine times as much.
_random_bits = random.Random().getrandbits  # noqa: S311 - identifiers are names, not secrets


def _base32(value: int, pairs: int) -> str:
    digits: list[str] = []
    for _ in range(pairs):
        digits.append(_PAIRS[value & 1023])
        value >>= 10
    digits.reverse()
    return "".join(digits)


def new_id() -> str:
    """A new identifier of 26 characters: 48 bits of milliseconds, then 80 random bits (Crockford's base 32).

    The layout is that of a ULID, so identifiers sort by the time they were made.
    """
    return _base32((time.time_ns() // 1_000_000) & ((1 << 48) - 1), 5) + _base32(_random_bits(80), 8)
