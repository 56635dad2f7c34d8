"""TOML edited so that comments and layout stay. Loaded for the first edit: see `hub.core.rarely`."""

from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError


def put(text: str, path: Sequence[str], value: Any) -> str:
    """`text` with `value` at `path`. Raises ValueError, LookupError or TypeError where that cannot be."""
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for depth, name in enumerate(path[:-1]):
            if name not in table:
                inner: Any = tomlkit.table(is_super_table=depth < len(path) - 1)
                table[name] = inner
            table = table[name]
        name = path[-1]
        table[name] = _table(value) if isinstance(value, Mapping) and name not in table else value
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ValueError(str(error)) from None


def _table(value: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    for name, inner in value.items():
        if isinstance(inner, Mapping) and not any(isinstance(one, Mapping) for one in inner.values()):
            line = tomlkit.inline_table()
            line.update(inner)
            table[name] = line
        else:
            table[name] = _table(inner) if isinstance(inner, Mapping) else inner
    return table


def remove(text: str, path: Sequence[str]) -> str:
    """`text` without what stands at `path`. Raises as `put` does."""
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for name in path[:-1]:
            if name not in table:
                return text
            table = table[name]
        if path[-1] not in table:
            return text
        del table[path[-1]]
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ValueError(str(error)) from None
