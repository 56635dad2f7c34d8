"""Definitions pinned per profile: what a tool said when it was approved, and what has changed since."""

import difflib
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.profile.naming import Key
from hub.profile.offers import Offered, object_of

# What a model or a client acts on. Icons, say, may change without anybody being asked.
_MEMBERS = ("description", "title", "inputSchema", "outputSchema", "annotations")
_MOST_DIFF = 200  # lines

Variant = tuple[str, str, str]  # the server, the tool's own name, and what tells the definition from another


@dataclass(frozen=True, slots=True)
class Definition:
    """What a server says of one of its tools, raw; `own` is the tool's name there."""

    server: str
    own: str
    definition: bytes

    @property
    def key(self) -> Key:
        """Which tool it is of."""
        return self.server, self.own

    @property
    def digest(self) -> str:
        """What tells it from another."""
        return digest_of(self.definition)

    @property
    def variant(self) -> Variant:
        """Which definition of which tool it is."""
        return self.server, self.own, self.digest


@dataclass(frozen=True, slots=True)
class Pin(Definition):
    """A tool's definition as it was approved: by somebody, or by being there when the lock was set (`by` is '')."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class Drift(Definition):
    """A tool that is not as it was approved: `state` is new or changed, `diff` what differs, line by line.

    `personal` says that only some of the accounts at its server are offered it.
    """

    state: str
    diff: tuple[str, ...]
    personal: bool = False

    @property
    def label(self) -> str:
        """What it is approved by: `server/tool`, and which one of it where there may be several."""
        return f"{self.server}/{self.own}" + (f"@{self.digest[:12]}" if self.personal else "")


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


def locked(
    pins: Mapping[Key, Pin], chosen: Mapping[Key, Offered], variants: Collection[Variant] = frozenset()
) -> Locked:
    """Compare tools with their pins, and with further definitions that are good beside these (`variants`).

    The tools of a server without any pin are seen for the first time.
    """
    known = {server for server, _ in pins}
    drifts: list[Drift] = []
    first: list[Pin] = []
    for key, tool in chosen.items():
        if key[0] not in known:
            first.append(Pin(*key, tool.raw))
            continue
        pin = pins.get(key)
        digest = digest_of(tool.raw)
        if (pin is None or pin.digest != digest) and (*key, digest) not in variants:
            drifts.append(drifted(pin, Pin(*key, tool.raw)))
    return Locked(tuple(drifts), tuple(first))


def drifted(before: Pin | None, now: Pin, *, personal: bool = False) -> Drift:
    """How a tool's definition differs from the one that was approved, if one was."""
    diff = differences(before.definition if before else b"{}", now.definition)
    state = "changed" if before else "new"
    return Drift(*now.key, now.definition, state, tuple(diff), personal)


def differences(before: bytes, after: bytes) -> Iterable[str]:
    """What differs between two definitions, as the lines of a unified diff."""
    one, other = (_canonical(each, 1).decode().splitlines() for each in (before, after))
    lines = list(difflib.unified_diff(one, other, "approved", "now", lineterm="", n=1))
    return [line[:2000] for line in lines[:_MOST_DIFF]]
