"""What a tool is called in a profile: with its server's name before it or not, never too long, never twice."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

MAX_NAME = 64
_SEPARATOR = "__"
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")

Key = tuple[str, str]  # (server, the tool's own name)


def shortened(name: str) -> str:
    """A name that every client takes: at most 64 of A-Z a-z 0-9 _ -, and another one for another long name."""
    plain = _FOREIGN.sub("_", name)
    if len(plain) <= MAX_NAME and plain == name:
        return name
    return _hashed(name)


def _hashed(name: str) -> str:
    tail = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{_FOREIGN.sub('_', name)[: MAX_NAME - 9]}_{tail}"


def public_names(
    prefix: str, tools: Iterable[Key], renamed: Mapping[Key, str]
) -> tuple[dict[Key, str], list[tuple[str, str]]]:
    """The public name of each tool, and the conflicts: (name, who wants it).

    A renamed tool has exactly that name. The others are prefixed always, only where the plain name is not
    unique, or never; where `never` would give a name twice, the tools concerned are prefixed all the same,
    so that none hides another. A tool whose name is taken even so (by a rename, say) gets one with a hash: it is
    not lost, and the conflict is told.
    """
    keys = sorted(set(tools))
    plain = {key: renamed.get(key) or shortened(key[1]) for key in keys}
    taken = Counter(plain.values())
    names: dict[Key, str] = {}
    faults: list[tuple[str, str]] = []
    owners: dict[str, Key] = {}
    for key in sorted(keys, key=lambda key: (key not in renamed, key)):
        name = plain[key]
        if key not in renamed and (prefix == "always" or taken[name] > 1):
            if prefix == "never":
                faults.append((name, f"{key[0]}/{key[1]}"))
            name = shortened(f"{key[0]}{_SEPARATOR}{key[1]}")
        if name in owners:
            faults.append((name, f"{key[0]}/{key[1]}"))
            name = _hashed(f"{key[0]}{_SEPARATOR}{key[1]}")
        owners[name] = key
        names[key] = name
    return names, faults
