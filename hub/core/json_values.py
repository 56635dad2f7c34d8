"""What JSON Schema says of a single value: its kind, its size, what it may be. Each keyword makes a check."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import re2

STEPS = 20_000  # for a value; one for each object, list, reference and branch, and more for larger ones
_MOST_SHOWN = 200  # characters of what is allowed
_PATTERN_MEMORY = 1 << 20


class Unsure(Exception):
    """Whether a value fits cannot be told: a keyword or pattern that is not known here, or too much work."""


class Misfit(NamedTuple):
    """A part of a value that does not fit: where it stands (as `items[3].name`; "" for the whole), and why."""

    where: str
    why: str


class Steps:
    """What may still be done for one value. Raises Unsure when it has become too much."""

    __slots__ = ("left",)

    def __init__(self, left: int = STEPS) -> None:
        self.left = left

    def take(self, number: int = 1) -> None:
        """Do so much."""
        self.left -= number
        if self.left < 0:
            raise Unsure


Misfits = list[Misfit] | None
Check = Callable[[Any, Steps], Misfits]
Schema = Mapping[str, Any]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),),
    "object": (dict,), "array": (list,),
}  # fmt: skip


def unsure(value: Any, steps: Steps) -> Misfits:
    """The check of what is not understood."""
    raise Unsure


def type_check(schema: Schema) -> Check:
    """`type`."""
    named = schema["type"]
    names = named if isinstance(named, list) else [named]
    if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
        return unsure
    if schema.get("nullable") is True:  # as documents of OpenAPI say it
        names = [*names, "null"]
    kinds = frozenset(kind for name in names for kind in _TYPES[name])
    whole = "integer" in names
    wrong = [Misfit("", f"has to be {' or '.join(_article(name) for name in names)}")]

    def check(value: Any, steps: Steps) -> Misfits:
        kind = value.__class__
        if kind in kinds or (whole and kind is float and value.is_integer()):
            return None
        return wrong

    return check


def _article(name: str) -> str:
    return name if name == "null" else f"an {name}" if name[0] in "aio" else f"a {name}"


def choice_check(schema: Schema) -> Check:
    """`enum` and `const`."""
    allowed = schema["enum"] if "enum" in schema else [schema["const"]]
    if not isinstance(allowed, list) or ("enum" in schema and "const" in schema):
        return unsure
    steps = Steps()
    keys = frozenset(key_of(one, steps) for one in allowed)
    wrong = [Misfit("", f"has to be {'one of ' if len(allowed) > 1 else ''}{shown(map(_said, allowed))}")]

    def check(value: Any, steps: Steps) -> Misfits:
        return None if (value if value.__class__ is str else key_of(value, steps)) in keys else wrong

    return check


def _said(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else "null" if value is None else str(value).lower()


def shown(names: Any) -> str:
    """Some texts in a row, not too long."""
    text = ", ".join(names)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def key_of(value: Any, steps: Steps) -> Any:
    """What is equal for equal values of JSON, and can be looked up."""
    kind = value.__class__
    if kind is str or kind is int or kind is float:
        return value
    if kind is dict:
        steps.take(len(value) + 1)
        return frozenset((name, key_of(one, steps)) for name, one in value.items())
    if kind is list:
        steps.take(len(value) + 1)
        return (list, *(key_of(one, steps) for one in value))
    return (kind, value)


def range_check(schema: Schema) -> Check:
    """`minimum`, `maximum`, and the same without the bound itself."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if not all(one is None or is_number(one) for one in (low, high, above, below)):
        return unsure
    said = (("at least", low), ("at most", high), ("more than", above), ("less than", below))
    wrong = [Misfit("", "has to be " + " and ".join(f"{word} {one}" for word, one in said if one is not None))]

    def check(value: Any, steps: Steps) -> Misfits:
        if not is_number(value):
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            return wrong
        return wrong if (above is not None and value <= above) or (below is not None and value >= below) else None

    return check


def is_number(value: Any) -> bool:
    """Whether a value is a number of JSON."""
    return value.__class__ is int or value.__class__ is float


def multiple_check(schema: Schema) -> Check:
    """`multipleOf`, as decimals: 0.3 is a multiple of 0.1."""
    step = schema["multipleOf"]
    if not is_number(step) or step <= 0:
        return unsure
    exact = Decimal(repr(step))
    wrong = [Misfit("", f"has to be a multiple of {step}")]

    def check(value: Any, steps: Steps) -> Misfits:
        try:
            return wrong if is_number(value) and Decimal(repr(value)) % exact else None
        except InvalidOperation:
            raise Unsure from None

    return check


def counted(least_name: str, most_name: str, kind: type, what: str) -> Callable[[Schema], Check]:
    """Makes the check of how much there is of something: characters of a text, items of a list, members of an object."""

    def made(schema: Schema) -> Check:
        least, most = schema.get(least_name), schema.get(most_name)
        if not all(one is None or is_number(one) for one in (least, most)):
            return unsure

        def check(value: Any, steps: Steps) -> Misfits:
            if value.__class__ is not kind:
                return None
            if least is not None and len(value) < least:
                return [Misfit("", f"has to have at least {least} {what}")]
            return [Misfit("", f"may have at most {most} {what}")] if most is not None and len(value) > most else None

        return check

    return made


def pattern_check(schema: Schema) -> Check:
    """`pattern`."""
    matches = matcher(schema["pattern"])
    if matches is None:
        return unsure
    wrong = [Misfit("", f"has to match the pattern {shown([schema['pattern']])}")]

    def check(value: Any, steps: Steps) -> Misfits:
        return wrong if value.__class__ is str and not matches(value, steps) else None

    return check


def matcher(pattern: Any) -> Callable[[str, Steps], bool] | None:
    """Whether a pattern is found in a text, in linear time; None for a pattern that cannot be looked for so."""
    if not isinstance(pattern, str) or _regex(pattern) is None:
        return None

    def matches(text: str, steps: Steps) -> bool:
        found = _regex(pattern)
        steps.take(len(text) * found.programsize // 64 + 1)  # at worst, each part is tried at each character
        return found.search(text) is not None

    return matches


@lru_cache(maxsize=256)
def _regex(pattern: str) -> Any:
    """A pattern, ready to be looked for; None for none. So many of them are kept, whatever refers to them: each takes memory."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(pattern, options)
    except (re2.error, ValueError):
        return None


def unique_check(schema: Schema) -> Check:
    """`uniqueItems`."""
    wanted = schema["uniqueItems"] is True

    def check(value: Any, steps: Steps) -> Misfits:
        if not wanted or value.__class__ is not list:
            return None
        steps.take(len(value))
        return (
            [Misfit("", "holds something twice")] if len({key_of(one, steps) for one in value}) < len(value) else None
        )

    return check
