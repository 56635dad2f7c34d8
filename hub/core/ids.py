"""Identifiers: short, never the same twice, and sortable by time. They are names, not secrets."""

import os
import random
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
# Seeded by the operating system once; asking it for each identifier costs nine times as much.
_random = random.Random()  # noqa: S311 - identifiers are names, not secrets
_random_bits = _random.getrandbits
os.register_at_fork(after_in_child=_random.seed)  # else two workers would make the same ones


def new_id() -> str:
    """A new identifier of 26 characters: 48 bits of milliseconds, then 80 random bits (Crockford's base 32).

    The layout is that of a ULID, so identifiers sort by the time they were made.
    """
    at, rest, pairs = time.time_ns() // 1_000_000, _random_bits(80), _PAIRS
    return (
        f"{pairs[at >> 40 & 255]}{pairs[at >> 30 & 1023]}{pairs[at >> 20 & 1023]}{pairs[at >> 10 & 1023]}{pairs[at & 1023]}"
        f"{pairs[rest >> 70]}{pairs[rest >> 60 & 1023]}{pairs[rest >> 50 & 1023]}{pairs[rest >> 40 & 1023]}"
        f"{pairs[rest >> 30 & 1023]}{pairs[rest >> 20 & 1023]}{pairs[rest >> 10 & 1023]}{pairs[rest & 1023]}"
    )
