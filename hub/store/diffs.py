"""Structured differences between two JSON values."""

from collections.abc import Iterator
from typing import Any

Diff = list[dict[str, Any]]


def difference(old: Any, new: Any, path: str = "") -> Diff:
    """What changed, as `{path, op, old?, new?}` with op add, remove or change; lists are compared as a whole."""
    return list(_walk(old, new, path))


def _walk(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            below = f"{path}.{key}" if path else str(key)
            if key not in new:
                yield {"path": below, "op": "remove", "old": old[key]}
            elif key not in old:
                yield {"path": below, "op": "add", "new": new[key]}
            else:
                yield from _walk(old[key], new[key], below)
    elif old != new:
        yield {"path": path, "op": "change", "old": old, "new": new}
