"""Telling a program that comes to a profile without a good credential where it can be signed in (RFC 9728)."""

import re
from collections.abc import Mapping
from typing import Any

from hub.core.refusal import Unauthenticated
from hub.resources.spec import NAME_PATTERN  # what a profile may be called

METADATA = "/.well-known/oauth-protected-resource/mcp/"
_NAME = re.compile(NAME_PATTERN)


def base_of(scope: Mapping[str, Any], public_url: str) -> str:
    """The hub's own address, as its callers see it."""
    if public_url:
        return public_url.rstrip("/")
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    return f"{scope['scheme']}://{host}"


def challenged(refusal: Unauthenticated, scope: Mapping[str, Any], profile: str, public_url: str) -> Unauthenticated:
    """The same refusal, which names the metadata of the profile. Whether there is such a profile, it does not tell."""
    if not _NAME.fullmatch(profile):
        return refusal
    wrong = "" if refusal.code == "missing_key" else 'error="invalid_token", '
    challenge = f'Bearer {wrong}resource_metadata="{base_of(scope, public_url)}{METADATA}{profile}"'
    headers = {**refusal.headers, "www-authenticate": challenge}
    return Unauthenticated(refusal.code, refusal.message, headers=headers)
