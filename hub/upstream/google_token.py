"""The token that a service account of Google's signs for itself. Loaded for the first one: see `hub.core.rarely`."""

from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from hub.core.values import a_text

_SECONDS = 3600  # it holds


def account_token(account: dict[str, Any], audience: str, now: int) -> str | None:
    """A token signed by the account's own key, which Google's servers take as it is; None when that key is broken."""
    email = a_text(account["client_email"])
    claims = {"iss": email, "sub": email, "aud": audience, "iat": now, "exp": now + _SECONDS}
    header = {"alg": "RS256", "typ": "JWT", "kid": a_text(account.get("private_key_id"))}
    try:
        key = RSAKey.import_key(a_text(account["private_key"]))
        return jwt.encode(header, claims, key, algorithms=["RS256"])
    except (JoseError, ValueError):
        return None
