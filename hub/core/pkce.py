"""Proof that whoever redeems a code is whoever asked for it (RFC 7636, method S256)."""

import base64
import hashlib


def code_challenge(verifier: str) -> str:
    """What goes through the browser in place of the verifier: its SHA-256, 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
