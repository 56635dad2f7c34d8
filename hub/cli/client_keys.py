"""The keys that `hub install` makes: one per client and machine, with what its files use and nothing else."""

import re
import socket
from dataclasses import replace
from typing import Any

from hub.cli.client import Api, Connection
from hub.cli.output import warn
from hub.core.refusal import Conflict, Forbidden, Refusal
from hub.install import Owned, OwnedKey, Where, save


def new_key(api: Api, title: str, wanted: OwnedKey) -> OwnedKey:
    """Make a key for a client on this machine, with the profiles and models of `wanted`, under the first free name.

    Raises Forbidden for whoever may not make keys, naming the way around, and Conflict.
    """
    me = api.call("GET", "/api/v1/me")
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")[:20] or "machine"
    spec: dict[str, Any] = {"title": f"{title} on {host}", **_grants(wanted)}
    if me["roles"].get("*") != "admin":  # an administrator's key must not make administrators of their editors
        spec |= {field: me[field] for field in ("user", "team") if me[field]}
    base = f"{wanted.client}-{host}"
    for number in range(1, 100):
        name = base if number == 1 else f"{base}-{number}"
        try:
            answer = api.call("POST", "/api/v1/keys", {"name": name, "spec": spec})
        except Refusal as refusal:
            if refusal.status in (404, 409):  # it is somebody else's, whether we may know or not
                continue
            if refusal.status == 403:
                raise Forbidden(
                    "forbidden", f"{refusal.message} Or write your own key into the file with --use-key."
                ) from None
            raise
        return replace(wanted, name=name, secret=answer["secret"])
    raise Conflict("already_exists", f"There are too many keys named {base}.")


def _grants(key: OwnedKey) -> dict[str, Any]:
    return {"profiles": list(key.profiles), "models": ["*"] if key.models else []}


def is_good(api: Api, secret: str) -> bool:
    """Whether the hub still takes a key."""
    answer = api.http.get("/api/v1/me", headers={"authorization": f"Bearer {secret}"})
    return answer.status_code == 200


def _needed(known: Owned, key: OwnedKey) -> OwnedKey | None:
    """A key with what its client's files still use of it; None when they use nothing."""
    using = [
        entry for _, entry in known.entries() if (entry.client, entry.hub, entry.scope) == (key.client, key.hub, "user")
    ]
    if not using:
        return None
    profiles = {entry.profile for entry in using if entry.what == "tools"}
    models = key.models and any(entry.what != "tools" for entry in using)
    return replace(key, profiles=tuple(name for name in key.profiles if name in profiles), models=models)


def narrow(known: Owned, client: str, where: Where, connection: Connection) -> Owned:
    """Take from the client's keys what was given to them for installations that are gone."""
    for key in known.keys:
        needed = _needed(known, key)
        if key.client != client or needed in (None, key) or connection.url.rstrip("/") != key.hub:
            continue
        assert needed is not None
        with connection.api() as api:
            try:
                grant(api, needed)
            except Refusal as refusal:
                warn(f"The key '{key.name}' still opens what was taken away: {refusal.message}")
                continue
        known = known.with_key(needed)
        save(where.state, known)
    return known


def grant(api: Api, key: OwnedKey) -> None:
    """Give a key exactly the profiles and models that are known of it."""
    path = api.resource("keys", key.name)
    spec = {**api.call("GET", path)["spec"], **_grants(key)}
    api.call("PUT", path, {"spec": spec})


def end_keys(known: Owned, client: str, where: Where, connection: Connection) -> list[str]:
    """Delete the client's keys that nothing uses any more, at the hub they belong to, if that hub is reached."""
    ended: list[str] = []
    for key in known.keys:
        if key.client != client or _needed(known, key) is not None:
            continue
        with connection.api() as api:
            try:
                if api.url == key.hub:
                    api.call("DELETE", api.resource("keys", key.name))
                    ended.append(key.name)
                else:
                    warn(f"The key '{key.name}' of {key.hub} still exists: hub key revoke {key.name} --url {key.hub}")
            except Refusal as refusal:
                if refusal.status != 404:
                    warn(f"The key '{key.name}' still exists at {key.hub}: {refusal.message}")
        known = known.without_key(key)
    if known.files or known.keys:
        save(where.state, known)
    else:
        where.state.unlink(missing_ok=True)
    return ended
