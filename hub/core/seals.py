"""What a client keeps for the hub between two requests, sealed: nobody else can use it, nor for anything else."""

import base64
import contextlib
import hashlib
import hmac
import os
import struct
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from hub.core.rarely import Part, load

_NONCE = 12
_WHEN = struct.Struct(">Q")


class Broken(ValueError):
    """What a client gave back is not what it was given, is for another request, or has expired."""


Keys = Callable[[], Sequence[bytes]]


def only(key: bytes) -> Keys:
    """One key of 32 bytes, always the same."""
    keys = (key,)
    return lambda: keys


class _Key:
    """What is made of one key: a cipher, and a key for the nonces of names."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"mcp seals|" + key).digest()
        self.names = hashlib.sha256(b"mcp names|" + key).digest()

    @cached_property
    def cipher(self) -> Any:
        return load(Part.CIPHERS).Cipher(self._key)


class Seals:
    """AES-256-GCM; what a seal is good for (`bound`) is its associated data.

    `keys` tells the keys: the first one seals, all of them open, so that what a client keeps outlives a change of keys.
    """

    def __init__(self, keys: Keys, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now
        self._seen: Sequence[bytes] = ()
        self._made: list[_Key] = []

    def seal(self, bound: bytes, value: str, seconds: float) -> str:
        """`value` as text that only `open` with the same `bound` reads, for so many seconds."""
        plain = _WHEN.pack(int(self._now() + seconds)) + value.encode("utf-8", "surrogatepass")
        nonce = os.urandom(_NONCE)
        return _text(nonce + self._all()[0].cipher.encrypt(nonce, plain, bound))

    def open(self, bound: bytes, sealed: str) -> str:
        """What was sealed. Raises Broken."""
        plain = self._decrypted(bound, sealed)
        if _WHEN.unpack_from(plain)[0] < self._now():
            raise Broken("it has expired")
        return plain[_WHEN.size :].decode("utf-8", "surrogatepass")

    def name(self, bound: bytes, value: str) -> str:
        """`value` as an identifier: the same one until the keys change, without an end, read by `named` with the same `bound`."""
        key, plain = self._all()[0], value.encode("utf-8", "surrogatepass")
        nonce = hmac.digest(key.names, len(bound).to_bytes(4, "big") + bound + plain, "sha256")[:_NONCE]
        return _text(nonce + key.cipher.encrypt(nonce, plain, b"name|" + bound))

    def named(self, bound: bytes, name: str) -> str:
        """What `name` stands for. Raises Broken."""
        return self._decrypted(b"name|" + bound, name).decode("utf-8", "surrogatepass")

    def _all(self) -> list[_Key]:
        keys = self._keys()
        if keys is not self._seen:
            self._seen, self._made = keys, [_Key(key) for key in keys]
        return self._made

    def _decrypted(self, bound: bytes, sealed: str) -> bytes:
        try:
            raw = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except ValueError as error:
            raise Broken("it was changed") from error
        if _text(raw) != sealed:  # only the one way to write it
            raise Broken("it was changed")
        for key in self._all():
            with contextlib.suppress(ValueError):
                return key.cipher.decrypt(raw[:_NONCE], raw[_NONCE:], bound)
        raise Broken("it was changed, or is for another request")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
