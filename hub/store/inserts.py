"""The `INSERT` of each database, which alone can say what to do with a row that is there already."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


class _Inserts(dict[str, Callable[[Any], Any]]):
    """By the name of a dialect. That of an open engine is imported already; another's would take 2 MB for nothing."""

    def __missing__(self, dialect: str) -> Callable[[Any], Any]:
        found = self[dialect] = import_module(f"sqlalchemy.dialects.{dialect}").insert
        return found


INSERTS = _Inserts()
