"""What a profile says that it can do: what its servers can, as far as the hub carries it through."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec import Raw

from hub.edge.mcp.envelope import is_object, object_of
from hub.upstream import Era

_TASKS = "io.modelcontextprotocol/tasks"
_ALWAYS = {"tools": {"listChanged": True}}
_WHERE_A_SERVER_DOES: dict[str, dict[str, Any]] = {
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "completions": {},
    "logging": {},
}


def capabilities(declared: Sequence[bytes | None], era: Era) -> dict[str, Any]:
    """The capabilities of a profile, from those that its servers declare, raw JSON.

    A server that was never seen yet (None) may have anything: a client is told once, so everything is said then.
    """
    return _merged(tuple(declared), era)


@lru_cache(maxsize=512)
def _merged(declared: tuple[bytes | None, ...], era: Era) -> dict[str, Any]:
    merged: dict[str, Any] = dict(_ALWAYS)
    extensions: dict[str, Any] = {}
    for raw in declared:
        members = object_of(None if raw is None else Raw(raw))
        merged |= {n: f for n, f in _WHERE_A_SERVER_DOES.items() if raw is None or is_object(members.get(n))}
        for name, settings in object_of(members.get("extensions")).items():
            if name != _TASKS or era is Era.MODERN:
                extensions.setdefault(name, settings)
    if extensions:
        merged["extensions"] = dict(sorted(extensions.items()))
    return merged
