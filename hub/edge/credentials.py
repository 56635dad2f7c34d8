"""Which of a request's headers is its credential: five are taken, and one wins.

| order | header | |
|---|---|---|
| 1 | `x-hub-key` | always the hub's; any other credential beside it belongs to the provider (passthrough) |
| 2 | the first of the next four whose value looks like a key of the hub (`hub_...`) | |
| 3 | `authorization: Bearer`, `x-api-key`, `api-key`, `x-goog-api-key` | the first that is not empty |

Only in the first case is anything passed on, and never what looks like a key of the hub. A header that comes
twice with different values is nobody's key. Whatever stands here is only ever looked up by its hash, so no value
can do more than be wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.core.calls import NOWHERE, Arrival, Credentials
from hub.edge.familiar import familiar_of

_OWN = b"x-hub-key"
_SHARED = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
_ALL = frozenset((_OWN, *_SHARED))
_KEY_PREFIX = "hub_"
SIGNED = "AWS4-"  # how a signature of Amazon's begins, which is good for nothing but the request that it is made for
_AMBIGUOUS = "\0 several values"  # no key has this form, so it is refused as an invalid one


def credentials(headers: Sequence[tuple[bytes, bytes]], arrival: Arrival = NOWHERE) -> Credentials:
    """The credential of a request, by its raw headers (names lower case). Never raises."""
    found = _found(headers, arrival.fields)
    if not found:
        return Credentials(arrival=arrival)
    own = found.get(_OWN, "")
    if own:
        return Credentials(own, _foreign(found, own), arrival)
    secrets = [secret for name in _SHARED if name in found and (secret := _secret(name, found[name]))]
    for secret in secrets:
        if secret.startswith(_KEY_PREFIX):
            return Credentials(secret, None, arrival)
    return Credentials(secrets[0] if secrets else "", None, arrival)


def _found(headers: Sequence[tuple[bytes, bytes]], fields: Mapping[bytes, bytes]) -> dict[bytes, str]:
    """The headers that may hold a credential; `fields` are all of them by name, where somebody has made that."""
    if len(fields) == len(headers):  # each came once
        return {name: fields[name].decode("latin-1").strip() for name in _ALL & fields.keys()}
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in _ALL:
            text = value.decode("latin-1").strip()
            if found.setdefault(name, text) != text:
                found[name] = _AMBIGUOUS
    return found


def presented(scope: Mapping[str, Any]) -> Credentials:
    """The credential of a request, and how the request arrived."""
    client, headers, familiar = scope.get("client"), scope["headers"], familiar_of(scope)
    arrival = Arrival(client[0] if client else "", scope["path"], headers, dict(headers))
    if familiar is None:
        return credentials(headers, arrival)
    if familiar.given is None:
        familiar.given = credentials(headers, arrival)
    return Credentials(familiar.given.secret, familiar.given.upstream, arrival)


def _secret(name: bytes, value: str) -> str:
    """What a header presents; a scheme other than Bearer is presented as a whole, and so is nobody's key."""
    if name != b"authorization":
        return value
    scheme, _, rest = value.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value


def _foreign(found: dict[bytes, str], own: str) -> tuple[str, str] | None:
    for name in _SHARED:
        value = found.get(name, "")
        secret = _secret(name, value)
        if secret and secret not in (own, _AMBIGUOUS) and not secret.startswith((_KEY_PREFIX, SIGNED)):
            return name.decode("ascii"), value
    return None
