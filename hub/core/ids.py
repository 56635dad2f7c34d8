"""Identifiers: short, unguessable enough to be unique, and sortable by time."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(value: int, width: int) -> str:
    digits: list[str] = []
    for _ in range(width):
        digits.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(digits))


def new_id() -> str:
    """A new identifier of 26 characters: 48 bits of milliseconds, then 80 random bits (Crockford's base 32).

    The layout is that of a ULID, so identifiers sort by the time they were made.
    """
    return _base32((time.time_ns() // 1_000_000) & ((1 << 48) - 1), 10) + _base32(secrets.randbits(80), 16)
