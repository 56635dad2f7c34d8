"""Whether the arguments of a call fit their tool's schema: looked at before anything goes out."""

import re
from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from hub.core.json_schema import UNKNOWN, JsonSchema, Unsure, shown
from hub.profile.offers import object_of
from hub.profile.view import Tool

_MOST_KEPT = 2 << 20  # bytes of definitions; what is compiled of them can take fifty times as much
_MOST_TOLD = 8  # faults of one call
_LARGE = 32 << 10  # bytes: from here on, looking may take milliseconds
_ADVICE = "Nothing was called. Correct the arguments by the tool's input schema, and call it again."
_OPEN = frozenset({"additionalProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf"})
_anything = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, Any])


class _Known(NamedTuple):
    """A schema, the arguments that it names, and those of them that it does not require."""

    schema: JsonSchema
    named: tuple[str, ...]
    optional: frozenset[str]


class Schemas:
    """The input schemas of tools, each compiled when it is first needed, and kept as long as it is in use.

    They are a server's own words. One that cannot be understood, or takes too long to follow, lets every call pass.
    An argument that may be left out may be null as well: many clients and models say so that they leave it out.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, str], _Known | None] = OrderedDict()
        self._size = 0
        self._lock = Lock()  # large ones are looked at in threads

    def is_large(self, tool: Tool, arguments: bytes) -> bool:
        """Whether this is better looked at in a thread."""
        return len(tool.offered) + len(arguments) > _LARGE

    def fault(self, tool: Tool, arguments: bytes, rule: str) -> str:
        """What is wrong with the arguments (a JSON object) that the server gets, said to a model; "" when nothing is.

        `rule` is `schema`, or `strict`: then arguments that an object's schema does not name do not fit either.
        """
        known = self._of(tool, rule)
        if known is None:
            return ""
        try:
            given: dict[str, Any] = _object.decode(arguments)
            if None in given.values():
                given = {name: one for name, one in given.items() if one is not None or name not in known.optional}
            found = known.schema.misfits(given, len(arguments))
        except Unsure:
            return ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return f"The arguments of {tool.name} hold a number that is too large. {_ADVICE}"
        # What the operator has pinned is not the caller's to mend, nor theirs to know of.
        found = [misfit for misfit in found if re.split(r"[.[]", misfit.where, maxsplit=1)[0] not in tool.pinned]
        if not found:
            return ""
        told = "; ".join(f"{where or 'the whole'} {why}" for where, why in found[:_MOST_TOLD])
        more = f"; and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        names = shown(name for name in known.named if name not in tool.pinned) or "none"
        takes = f" It takes: {names}." if any(why == UNKNOWN for _, why in found) else ""
        return f"The arguments of {tool.name} are not as it takes them: {told}{more}.{takes} {_ADVICE}"

    def _of(self, tool: Tool, rule: str) -> _Known | None:
        key = tool.offered, rule
        try:
            self._known.move_to_end(key)
            return self._known[key]
        except KeyError:
            return self._kept(key, _compiled(tool.offered, rule))

    def _kept(self, key: tuple[bytes, str], made: _Known | None) -> _Known | None:
        with self._lock:
            if key not in self._known:
                self._known[key] = made
                self._size += len(key[0])
            while self._size > _MOST_KEPT:
                (definition, _), _ = self._known.popitem(last=False)
                self._size -= len(definition)
        return made


def _compiled(definition: bytes, rule: str) -> _Known | None:
    """The input schema in a definition; None for one that says nothing, or that nobody understands."""
    try:
        schema: Any = _anything.decode(object_of(definition).get("inputSchema", b"true"))
        if rule == "strict" and isinstance(schema, dict) and "properties" in schema and not _OPEN & schema.keys():
            schema = {**schema, "additionalProperties": False}
        return _Known(JsonSchema(schema), *_names(schema))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unsure):
        return None


def _names(schema: Any) -> tuple[tuple[str, ...], frozenset[str]]:
    named = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    if not isinstance(named, dict):
        return (), frozenset()
    return tuple(named), frozenset(named).difference(map(str, required) if isinstance(required, list) else ())
