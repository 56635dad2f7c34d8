"""Values for a JSON Schema, taken from a prompt where it holds some."""

import re
from collections.abc import Mapping
from typing import Any, cast

_QUOTED = re.compile(r"\"([^\"]{1,400})\"|“([^”]{1,400})”|(?<!\w)'([^']{1,400})'(?!\w)|`([^`]{1,400})`")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,6})?(?![\w.]*\w)")
_PATH = re.compile(r"(?<![\w\"'])[\w.~-]*/[\w./~+-]+")
_DEEPEST = 8


def fill(schema: Any, prompt: str) -> Any:
    """A value that has the form of `schema`, as far as the demo model understands it.

    Only what is required is filled. An enum gives the value that the prompt names, else its first; a string
    the next quoted text of the prompt, else a path in it, else all of it; a number the next number.
    """
    return _Filler(schema, prompt).value(schema, 0)


class _Filler:
    def __init__(self, root: Any, prompt: str) -> None:
        self._root = root
        self._prompt = prompt
        self._quoted = [next(filter(None, groups)) for groups in _QUOTED.findall(prompt)]
        bare = _QUOTED.sub(" ", prompt)
        self._paths = _PATH.findall(bare)
        self._numbers = [float(found) for found in _NUMBER.findall(bare)]

    def value(self, schema: Any, depth: int) -> Any:
        rule = self._resolved(schema)
        if depth > _DEEPEST or not rule:
            return None
        for name in ("const", "default"):
            if name in rule:
                return rule[name]
        for name in ("anyOf", "oneOf", "allOf"):
            options = [option for option in _items(rule.get(name)) if option != {"type": "null"}]
            if options:
                return self.value(options[0], depth + 1)
        choices = _items(rule.get("enum"))
        if choices:
            return next((one for one in choices if isinstance(one, str) and one and one in self._prompt), choices[0])
        return self._typed(rule, depth)

    def _typed(self, rule: Mapping[str, Any], depth: int) -> Any:
        kinds = [kind for kind in _items(rule.get("type")) or [rule.get("type")] if kind != "null"]
        kind = kinds[0] if kinds else "null"
        if kind == "object" or (kind is None and "properties" in rule):
            return self._object(rule, depth)
        if kind == "array":
            wanted = rule.get("minItems", 1)
            return [self.value(rule.get("items", {"type": "string"}), depth + 1)] if wanted else []
        if kind in ("integer", "number"):
            return self._number(rule, whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else self._string()

    def _object(self, rule: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = rule.get("properties")
        known = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
        names = [name for name in _items(rule.get("required")) if isinstance(name, str)]
        return {name: self.value(known.get(name, {"type": "string"}), depth + 1) for name in names[:64]}

    def _string(self) -> str:
        for found in (self._quoted, self._paths):
            if found:
                return found.pop(0)
        return self._prompt.strip()

    def _number(self, rule: Mapping[str, Any], *, whole: bool) -> float | int:
        lowest = rule.get("minimum", 1)
        number = self._numbers.pop(0) if self._numbers else lowest if isinstance(lowest, int | float) else 1
        return int(number) if whole or number == int(number) else number

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema behind local references; {} for what is none."""
        for _ in range(_DEEPEST):
            rule = cast("Mapping[str, Any]", schema) if isinstance(schema, dict) else {}
            reference = rule.get("$ref")
            if not isinstance(reference, str):
                return rule
            schema = self._root if reference.startswith("#") else None
            for step in reference.split("/")[1:]:
                schema = cast("dict[str, Any]", schema).get(step) if isinstance(schema, dict) else None
        return {}


def _items(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
