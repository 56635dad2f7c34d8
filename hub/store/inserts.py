"""The `INSERT` of each database, which alone can say what to do with a row that is there already."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

INSERTS: Mapping[str, Callable[[Any], sqlite.Insert | postgresql.Insert]] = MappingProxyType(
    {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
)
