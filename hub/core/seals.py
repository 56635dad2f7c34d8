"""What a client keeps for the hub between two requests, sealed: nobody else can use it, nor for anything else."""

import base64
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from hub.core.rarely import Part, load

_NONCE = 12
_WHEN = struct.Struct(">Q")


class Broken(ValueError):
    """What a client gave back is not what it was given, is for another request, or has expired."""


class Seals:
    """AES-256-GCM under a key of 32 bytes; what a seal is good for (`bound`) is its associated data."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.time) -> None:
        self._key = hashlib.sha256(b"mcp seals|" + key).digest()
        self._names = hashlib.sha256(b"mcp names|" + key).digest()
        self._now = now

    @cached_property
    def _cipher(self) -> Any:
        return load(Part.CIPHERS).Cipher(self._key)

    def seal(self, bound: bytes, value: str, seconds: float) -> str:
        """`value` as text that only `open` with the same `bound` reads, for so many seconds."""
        plain = _WHEN.pack(int(self._now() + seconds)) + value.encode("utf-8", "surrogatepass")
        nonce = os.urandom(_NONCE)
        return _text(nonce + self._cipher.encrypt(nonce, plain, bound))

    def open(self, bound: bytes, sealed: str) -> str:
        """What was sealed. Raises Broken."""
        plain = self._decrypted(bound, sealed)
        if _WHEN.unpack_from(plain)[0] < self._now():
            raise Broken("it has expired")
        return plain[_WHEN.size :].decode("utf-8", "surrogatepass")

    def name(self, bound: bytes, value: str) -> str:
        """`value` as an identifier: always the same one, without an end, read by `named` with the same `bound`."""
        plain = value.encode("utf-8", "surrogatepass")
        nonce = hmac.digest(self._names, len(bound).to_bytes(4, "big") + bound + plain, "sha256")[:_NONCE]
        return _text(nonce + self._cipher.encrypt(nonce, plain, b"name|" + bound))

    def named(self, bound: bytes, name: str) -> str:
        """What `name` stands for. Raises Broken."""
        return self._decrypted(b"name|" + bound, name).decode("utf-8", "surrogatepass")

    def _decrypted(self, bound: bytes, sealed: str) -> bytes:
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
            if _text(raw) != sealed:  # only the one way to write it
                raise Broken("it was changed")
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], bound)
        except ValueError as error:
            raise Broken("it was changed, or is for another request") from error


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
