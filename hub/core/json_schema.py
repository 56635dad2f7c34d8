"""JSON Schema, compiled once into functions: whether a value fits, and where it does not. Bounded, whatever it says."""

from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import unquote

from hub.core.json_values import (
    STEPS,
    Check,
    Misfit,
    Misfits,
    Schema,
    Steps,
    Unsure,
    choice_check,
    counted,
    matcher,
    multiple_check,
    pattern_check,
    range_check,
    shown,
    type_check,
    unique_check,
    unsure,
)

__all__ = ["UNKNOWN", "JsonSchema", "Misfit", "Unsure", "shown"]

UNKNOWN = "is not known here"  # why a member does not fit of whose name the schema says nothing

# What decides, is rare, and is not understood here.
_BEYOND = frozenset(
    {"$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "dependencies", "dependentSchemas",
     "dependentRequired", "contains"}
)  # fmt: skip


class JsonSchema:
    """A schema (decoded JSON: an object or a boolean), ready to look at values. It refers to nothing outside of itself."""

    def __init__(self, schema: Any) -> None:
        self._check = _Compiler(schema).whole

    def misfits(self, value: Any, size: int = 0) -> list[Misfit]:
        """What does not fit in a value (decoded JSON of about `size` bytes); empty when all does. Raises Unsure."""
        try:
            return self._check(value, Steps(STEPS + size)) or []
        except RecursionError:
            raise Unsure from None


class _Compiler:
    """Makes the checks of one schema; what is referred to several times is made once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._referred: dict[
            int, Check
        ] = {}  # by the identity of what is referred to, which can be spelled in many ways
        self.whole: Check = self.check(root) or _anything

    def check(self, schema: Any) -> Check | None:
        """The check of a schema; None when everything fits it."""
        if schema is False:
            return _nothing
        if not isinstance(schema, dict):
            return None if schema is True else unsure
        given: Schema = schema
        checks = [make(given) for keys, make in _VALUES if not keys.isdisjoint(given)]
        checks += [made for keys, make in _SCHEMAS if not keys.isdisjoint(given) and (made := make(self, given))]
        if _BEYOND & given.keys() or ("$id" in given and given is not self._root):
            checks.append(unsure)
        return _all(checks)

    def several(self, schemas: Any) -> list[Check]:
        """The checks of a list of schemas."""
        if not isinstance(schemas, list) or not schemas:
            return [unsure]
        return [self.check(schema) or _anything for schema in schemas]

    def by_name(self, schemas: Any) -> dict[str, Check]:
        """The checks of an object of schemas."""
        if not isinstance(schemas, dict):
            return {}
        return {name: self.check(schema) or _anything for name, schema in schemas.items()}

    def referred(self, reference: Any) -> Check:
        """The check of what a `$ref` leads to, found when it is needed: a schema may refer to itself."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return unsure
        target, made = _at(self._root, reference), self._referred
        if not isinstance(target, dict):
            return unsure
        place = id(target)  # pyright: ignore[reportUnknownArgumentType]
        if place not in made:
            made[place] = unsure
            made[place] = self.check(target) or _anything

        def check(value: Any, steps: Steps) -> Misfits:
            steps.take()
            return made[place](value, steps)

        return check


def _at(root: Any, reference: str) -> Any:
    """What a JSON pointer leads to; None where that is nothing."""
    node = root
    for part in unquote(reference).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isdecimal() and len(key) < 6 and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _anything(value: Any, steps: Steps) -> Misfits:
    return None


def _nothing(value: Any, steps: Steps) -> Misfits:
    return [Misfit("", "is not allowed")]


def _all(checks: list[Check]) -> Check | None:
    """A check that tells what the first of these tells that tells anything. What is not understood comes last."""
    if len(checks) <= 1:
        return checks[0] if checks else None
    ordered = sorted(checks, key=lambda check: check is unsure)

    def check(value: Any, steps: Steps) -> Misfits:
        for one in ordered:
            found = one(value, steps)
            if found:
                return found
        return None

    return check


# -- objects and lists -------------------------------------------------------------------------------------------------


def _members(compiler: _Compiler, schema: Schema) -> Check:
    known = compiler.by_name(schema.get("properties"))
    others = _others(compiler, schema, known)
    names = compiler.check(schema.get("propertyNames", True))
    required = schema.get("required")
    needed = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    patterns = bool(schema.get("patternProperties"))

    def check(value: Any, steps: Steps) -> Misfits:
        if value.__class__ is not dict:
            return None
        steps.take(len(value) + 1)
        found: list[Misfit] = [Misfit(name, "is missing") for name in needed if name not in value]
        for name, one in value.items():
            judged = known.get(name)
            wrong = judged(one, steps) if judged else None
            if others and not wrong and (patterns or judged is None):
                wrong = others(name, one, steps)
            if names and not wrong:
                wrong = names(name, steps)
            if wrong:
                found += [Misfit(_joined(name, where), why) for where, why in wrong]
        return found or None

    return check


Others = Callable[[str, Any, Steps], Misfits]


def _others(compiler: _Compiler, schema: Schema, known: Collection[str]) -> Others | None:
    """What patterns of names say of a member, and what holds for those that nothing names; None for nothing."""
    patterned = [(matcher(one), check) for one, check in compiler.by_name(schema.get("patternProperties")).items()]
    last = compiler.check(schema.get("additionalProperties", True))
    if last is _nothing:
        wrong = [Misfit("", UNKNOWN)]
        last = lambda value, steps: wrong  # noqa: E731 - a check like each other
    if last is None and not patterned:
        return None

    def check(name: str, value: Any, steps: Steps) -> Misfits:
        named = name in known
        for matches, one in patterned:
            if matches is None:
                raise Unsure
            if matches(name, steps):
                named = True
                if found := one(value, steps):
                    return found
        return None if named or last is None else last(value, steps)

    return check


def _joined(name: str, where: str) -> str:
    short = name if len(name) <= 64 else name[:64] + "..."
    return short + where if where.startswith("[") or not where or not name else f"{short}.{where}"


def _items(compiler: _Compiler, schema: Schema) -> Check:
    first, rest = schema.get("prefixItems", []), schema.get("items", True)
    if isinstance(rest, list):  # as revisions before 2020-12 say it
        first, rest = rest, schema.get("additionalItems", True)
    heads = compiler.several(first) if first else []
    tail = compiler.check(rest)

    def check(value: Any, steps: Steps) -> Misfits:
        if value.__class__ is not list:
            return None
        steps.take(len(value) + 1)
        for index, one in enumerate(value):
            judged = heads[index] if index < len(heads) else tail
            wrong = judged(one, steps) if judged else None
            if wrong:  # the first tells enough of a long list
                return [Misfit(_joined(f"[{index}]", where), why) for where, why in wrong]
        return None

    return check


# -- schemas over schemas ----------------------------------------------------------------------------------------------


def _reference(compiler: _Compiler, schema: Schema) -> Check:
    return compiler.referred(schema["$ref"])


def _every(compiler: _Compiler, schema: Schema) -> Check | None:
    branches = compiler.several(schema["allOf"])

    def check(value: Any, steps: Steps) -> Misfits:
        steps.take(len(branches))
        return next((wrong for branch in branches if (wrong := branch(value, steps))), None)

    return check


def _any(compiler: _Compiler, schema: Schema) -> Check:
    return _either(compiler.several(schema["anyOf"]))


def _either(branches: list[Check]) -> Check:
    def check(value: Any, steps: Steps) -> Misfits:
        found: list[Misfit] = []
        for branch in branches:
            steps.take()
            wrong = branch(value, steps)
            if not wrong:
                return None
            found = _closer(found, wrong)
        return found

    return check


def _closer(one: list[Misfit], other: list[Misfit]) -> list[Misfit]:
    """What is said of a value that fits neither: both, if both are about the whole of it, else what looked into it."""
    if not any(misfit.where for misfit in one + other):
        return [Misfit("", " or ".join(dict.fromkeys(misfit.why for misfit in one + other))[:500])]
    return one if any(misfit.where for misfit in one) else other


def _one(compiler: _Compiler, schema: Schema) -> Check:
    branches = compiler.several(schema["oneOf"])
    anything = _either(branches)

    def check(value: Any, steps: Steps) -> Misfits:
        steps.take(len(branches))
        fitting = sum(1 for branch in branches if not branch(value, steps))
        if fitting > 1:
            return [Misfit("", f"fits {fitting} alternatives of which it may fit one")]
        return None if fitting else anything(value, steps)

    return check


def _not(compiler: _Compiler, schema: Schema) -> Check:
    inner = compiler.check(schema["not"]) or _anything

    def check(value: Any, steps: Steps) -> Misfits:
        steps.take()
        return None if inner(value, steps) else [Misfit("", "is of a kind that is not allowed")]

    return check


def _if(compiler: _Compiler, schema: Schema) -> Check:
    condition, then, other = (compiler.check(schema.get(name, True)) or _anything for name in ("if", "then", "else"))

    def check(value: Any, steps: Steps) -> Misfits:
        steps.take()
        return (other if condition(value, steps) else then)(value, steps)

    return check


def _on(*keys: str) -> frozenset[str]:
    return frozenset(keys)


# In this order: what is cheap and says most comes first.
_VALUES: Iterable[tuple[frozenset[str], Callable[[Schema], Check]]] = (
    (_on("type"), type_check),
    (_on("enum", "const"), choice_check),
    (_on("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), range_check),
    (_on("multipleOf"), multiple_check),
    (_on("minLength", "maxLength"), counted("minLength", "maxLength", str, "characters")),
    (_on("pattern"), pattern_check),
    (_on("minItems", "maxItems"), counted("minItems", "maxItems", list, "items")),
    (_on("minProperties", "maxProperties"), counted("minProperties", "maxProperties", dict, "members")),
    (_on("uniqueItems"), unique_check),
)
_SCHEMAS: Iterable[tuple[frozenset[str], Callable[[_Compiler, Schema], Check | None]]] = (
    (_on("properties", "required", "additionalProperties", "patternProperties", "propertyNames"), _members),
    (_on("items", "prefixItems"), _items),
    (_on("$ref"), _reference),
    (_on("allOf"), _every),
    (_on("anyOf"), _any),
    (_on("oneOf"), _one),
    (_on("not"), _not),
    (_on("if"), _if),
)
