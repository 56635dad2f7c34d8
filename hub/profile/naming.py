"""What a tool is called in a profile: with its server's name before it or not, never too long, never twice."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count

from hub.profile.clients import MAX_NAME, budget, shortest_budget

_SEPARATOR = "__"
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_TAIL = 8  # characters of the hash

Key = tuple[str, str]  # (server, the tool's own name)


@dataclass(frozen=True, slots=True)
class Given:
    """A name that was given once, and is kept: `kind` is tools or prompts, `basis` the prefix rule it comes from.

    The basis of a name that the profile itself says is `rename`.
    """

    kind: str
    name: str
    server: str
    own: str
    basis: str

    @property
    def key(self) -> Key:
        """Whose name it is."""
        return self.server, self.own


@dataclass(frozen=True, slots=True)
class Room:
    """How long names may be: `most` as they are, `short` once they have to be shortened."""

    most: int = MAX_NAME
    short: int = MAX_NAME


def room_of(profile: str) -> Room:
    """The room that clients of a profile leave."""
    return Room(budget(profile), shortest_budget(profile))


@dataclass(frozen=True, slots=True)
class Kept:
    """Names from before: those that hold on, by whose they are; and those that are not to be given to others."""

    names: Mapping[Key, str] = field(default_factory=dict[Key, str])
    reserved: AbstractSet[str] = frozenset()


_NOTHING = Kept()
_ANY = Room()


def shortened(name: str, room: Room = _ANY) -> str:
    """A name that every client takes: short, of A-Z a-z 0-9 _ - only, and another one for another long name."""
    if len(name) <= room.most and _FOREIGN.search(name) is None:
        return name
    return _hashed(name, room)


def _hashed(name: str, room: Room, seed: str = "") -> str:
    tail = hashlib.sha256((seed or name).encode()).hexdigest()[:_TAIL]
    return f"{_FOREIGN.sub('_', name)[: room.short - _TAIL - 1]}_{tail}"


def _free(key: Key, room: Room, owners: Mapping[str, Key], reserved: AbstractSet[str]) -> str:
    """A name with a hash that nobody has. `a` and `b__c` make the same prefixed name as `a__b` and `c`: not one hash."""
    prefixed = _SEPARATOR.join(key)
    name = _hashed(prefixed, room)
    numbers = count()
    while name in owners or name in reserved:
        name = _hashed(prefixed, room, f"{key[0]}\0{key[1]}\0{next(numbers)}")
    return name


def public_names(
    prefix: str, tools: Iterable[Key], renamed: Mapping[Key, str], kept: Kept = _NOTHING, room: Room = _ANY
) -> tuple[dict[Key, str], list[tuple[str, str]]]:
    """The public name of each tool, and the conflicts: (name, who wants it).

    A renamed tool has exactly that name; one that had a name keeps it. The others are prefixed always, only where
    the plain name is not free, or never; where `never` would give a name twice, the tools concerned are prefixed all
    the same, so that none hides another. A tool whose name is taken even so (by a rename, say) gets one with a hash:
    it is not lost, and the conflict is told.
    """
    keys = sorted(set(tools))
    plain = {key: renamed.get(key) or kept.names.get(key) or shortened(key[1], room) for key in keys}
    taken = Counter(plain.values())
    own = Counter(shortened(key[1], room) for key in keys if key not in renamed)  # also of those that have prefixes
    names: dict[Key, str] = {}
    faults: list[tuple[str, str]] = []
    owners: dict[str, Key] = {}
    for key in sorted(keys, key=lambda key: (key not in renamed, key not in kept.names, key)):
        name = plain[key]
        fixed = key in renamed or (key in kept.names and name not in owners)
        if not fixed and (prefix == "always" or max(taken[name], own[name]) > 1 or name in kept.reserved):
            if prefix == "never":
                faults.append((name, f"{key[0]}/{key[1]}"))
            name = shortened(f"{key[0]}{_SEPARATOR}{key[1]}", room)
        if name in owners or (not fixed and name in kept.reserved):
            faults.append((name, f"{key[0]}/{key[1]}"))
            name = _free(key, room, owners, kept.reserved)
        owners[name] = key
        names[key] = name
    return names, faults


def kept_for(given: Iterable[Given], kind: str, prefix: str, servers: AbstractSet[str]) -> Kept:
    """What of the names from before holds on: those of the same rule, of servers that are still there."""
    names: dict[Key, str] = {}
    for one in given:
        if one.kind == kind and one.basis == prefix and one.server in servers:
            names.setdefault(one.key, one.name)
    return Kept(names, frozenset(names.values()))
