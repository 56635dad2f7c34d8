"""AES-256-GCM. Loaded for the first thing that is encrypted: see `hub.core.rarely`."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Cipher:
    """Encrypts with a key of 32 bytes; what it encrypts is bound to other data, and opens with the same alone."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    def encrypt(self, nonce: bytes, data: bytes, bound: bytes) -> bytes:
        """The ciphertext, 16 bytes longer than `data`. `nonce` is 12 bytes, never the same for other data."""
        return self._aes.encrypt(nonce, data, bound)

    def decrypt(self, nonce: bytes, data: bytes, bound: bytes) -> bytes:
        """What was encrypted. Raises ValueError when it was changed, or the key or what it is bound to is another."""
        try:
            return self._aes.decrypt(nonce, data, bound)
        except InvalidTag:
            raise ValueError("it does not open") from None


def derived(key: bytes, use: bytes) -> bytes:
    """A key of 32 bytes for another use."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=use).derive(key)
