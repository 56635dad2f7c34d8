"""Virtual keys: how one is made, recognised and hashed.

    hub_<id>_<secret><checksum>

`id` is 12 characters of base 32 (not secret, it names the key in lists), `secret` 43 characters of base 62
(256 bits), `checksum` 6 characters of base 62: the CRC-32 of all that stands before it. The checksum lets
the hub tell a mistyped key from a wrong one, and lets leak scanners tell a real key from a look-alike.
A key's secret is random, so one round of SHA-256 is all the hashing that it needs.
"""

import hashlib
import re
import secrets
import zlib

PREFIX = "hub_"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 43, 6
_SHAPE = re.compile(rf"^hub_[{_BASE32}]{{{_ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}$", re.ASCII)
MAX_LENGTH = 512


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits: list[str] = []
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def make_key() -> str:
    """A new key, to be shown once and never kept."""
    identifier = "".join(secrets.choice(_BASE32) for _ in range(_ID_LENGTH))
    secret = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_LENGTH))
    body = f"{PREFIX}{identifier}_{secret}"
    return body + _checksum(body)


def is_mistyped(credential: str) -> bool:
    """Whether this looks like a key of the hub and cannot be one: wrong length, alphabet or checksum."""
    if not credential.startswith(PREFIX):
        return False
    if not _SHAPE.match(credential):
        return True
    return _checksum(credential[:-_CHECKSUM_LENGTH]) != credential[-_CHECKSUM_LENGTH:]


def digest(credential: str) -> bytes:
    """The SHA-256 by which the hub knows a credential. `credential` must be encodable as UTF-8."""
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
