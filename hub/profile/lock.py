"""Definitions pinned per profile: what a tool said when it was approved, and what has changed since."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.profile.naming import Key
from hub.profile.offers import Offered, object_of

# What a model or a client acts on. Icons, say, may change without anybody being asked.
_MEMBERS = ("description", "title", "inputSchema", "outputSchema", "annotations")
_MOST_DIFF = 200  # lines


@dataclass(frozen=True, slots=True)
class Pin:
    """A tool's definition as it was approved: by somebody, or by being there when the lock was set (`by` is '')."""

    server: str
    own: str
    definition: bytes
    by: str = ""

    @property
    def key(self) -> Key:
        """Whose definition it is."""
        return self.server, self.own

    @property
    def digest(self) -> str:
        """What tells it from another."""
        return digest_of(self.definition)


@dataclass(frozen=True, slots=True)
class Drift:
    """A tool that is not as it was approved: `state` is new or changed, `diff` what differs, line by line."""

    server: str
    own: str
    state: str
    digest: str
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Locked:
    """What a lock says about the tools of a profile: what differs, and what it saw for the first time."""

    drifts: tuple[Drift, ...] = ()
    first_seen: tuple[Pin, ...] = ()


def digest_of(definition: bytes) -> str:
    """SHA-256 over what a model or a client acts on, in canonical form."""
    return hashlib.sha256(_canonical(definition)).hexdigest()


def _canonical(definition: bytes, indent: int | None = None) -> bytes:
    members = object_of(definition)
    plain: dict[str, Any] = {name: msgspec.json.decode(members[name]) for name in _MEMBERS if name in members}
    return json.dumps(plain, sort_keys=True, indent=indent, ensure_ascii=False).encode("utf-8", "replace")


def locked(pins: Mapping[Key, Pin], chosen: Mapping[Key, Offered]) -> Locked:
    """Compare tools with their pins. The tools of a server without any pin are seen for the first time."""
    known = {server for server, _ in pins}
    drifts: list[Drift] = []
    first: list[Pin] = []
    for key, tool in chosen.items():
        if key[0] not in known:
            first.append(Pin(*key, tool.raw))
            continue
        pin = pins.get(key)
        digest = digest_of(tool.raw)
        if pin is None or pin.digest != digest:
            state = "new" if pin is None else "changed"
            drifts.append(Drift(*key, state, digest, tuple(differences(pin.definition if pin else b"{}", tool.raw))))
    return Locked(tuple(drifts), tuple(first))


def differences(before: bytes, after: bytes) -> Iterable[str]:
    """What differs between two definitions, as the lines of a unified diff."""
    one, other = (_canonical(each, 1).decode().splitlines() for each in (before, after))
    lines = list(difflib.unified_diff(one, other, "approved", "now", lineterm="", n=1))
    return [line[:2000] for line in lines[:_MOST_DIFF]]
