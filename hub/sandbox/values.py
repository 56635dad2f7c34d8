"""What programs may hold and call: plain values, their harmless methods, and a few functions."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

MOST_ITEMS = 1_000_000
MOST_TEXT = 10_000_000  # characters or bytes
MOST_BITS = 8192  # of a whole number


class ProgramError(Exception):
    """Something that a program may not do or say; it ends the program."""


class ToolError(Exception):
    """A tool reported an error; a program may catch it."""


# The methods of values. None of them reaches an attribute by a name in a text: `format` is not among them.
_METHODS = {
    str: "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isspace istitle isupper "
    "join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines "
    "startswith strip swapcase title upper zfill",
    list: "append clear copy count extend index insert pop remove reverse sort",
    dict: "clear copy get items keys pop popitem setdefault update values",
    set: "add clear copy difference discard intersection isdisjoint issubset issuperset pop remove symmetric_difference "
    "union update",
    tuple: "count index",
    int: "bit_length",
    float: "is_integer",
}
METHODS: Mapping[type, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _METHODS.items()}
ERRORS: Mapping[str, type[Exception]] = {
    "Exception": Exception,
    "ArithmeticError": ArithmeticError,
    "IndexError": IndexError,
    "KeyError": KeyError,
    "LookupError": LookupError,
    "RuntimeError": RuntimeError,
    "ToolError": ToolError,
    "TypeError": TypeError,
    "ValueError": ValueError,
    "ZeroDivisionError": ZeroDivisionError,
}


@dataclass(frozen=True, slots=True)
class Type:
    """A type as programs have it: something to make values with, and to ask about with isinstance."""

    type: type
    make: Callable[..., Any]

    def __call__(self, *given: Any, **named: Any) -> Any:
        """A value of the type."""
        return bounded(self.make(*given, **named))


def bounded(value: Any) -> Any:
    """The value, if it is not too large. Raises ProgramError."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ProgramError(f"a whole number has more than {MOST_BITS} bits")
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise ProgramError(f"a text has more than {MOST_TEXT} characters")
    if isinstance(value, list | tuple | dict | set) and len(cast("list[Any]", value)) > MOST_ITEMS:
        raise ProgramError(f"a collection has more than {MOST_ITEMS} items")
    return value


def items_of(values: Iterable[Any]) -> Iterator[Any]:
    """The items, as long as there are not too many. Raises ProgramError."""
    for count, value in enumerate(values):
        if count >= MOST_ITEMS:
            raise ProgramError(f"a loop over more than {MOST_ITEMS} items")
        yield value


def method(value: Any, name: str) -> Callable[..., Any]:
    """A method of a value. Raises ProgramError when there is none, or none that programs may call."""
    for kind, names in METHODS.items():
        if type(value) is kind and name in names:
            return cast("Callable[..., Any]", getattr(value, name))
    raise ProgramError(f"a {type(value).__name__} has no '{name}' here")


def as_json(value: Any) -> Any:
    """A value as JSON can say it; what it cannot say is shown as text."""
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | range):
        return [as_json(one) for one in items_of(cast("list[Any]", value))]
    if isinstance(value, set):
        return sorted((as_json(one) for one in cast("set[Any]", value)), key=str)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if callable(value):
        return "<function>"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _dumps(value: Any, indent: int | None = None) -> str:
    return json.dumps(as_json(value), ensure_ascii=False, indent=indent)


def _list(values: Iterable[Any] = ()) -> list[Any]:
    return list(items_of(values))


def _range(*bounds: int) -> range:
    made = range(*bounds)
    if len(made) > MOST_ITEMS:
        raise ProgramError(f"a range of more than {MOST_ITEMS} numbers")
    return made


def _isinstance(value: Any, kinds: Any) -> bool:
    asked: tuple[Any, ...] = kinds if isinstance(kinds, tuple) else (kinds,)
    return isinstance(value, tuple(one.type if isinstance(one, Type) else one for one in asked))


def functions() -> dict[str, Any]:
    """The functions and types that programs have from the start, by name."""
    return {
        **ERRORS,
        "abs": abs,
        "all": all,
        "any": any,
        "bool": Type(bool, bool),
        "dict": Type(dict, dict),
        "enumerate": lambda values, start=0: list(enumerate(items_of(values), start)),
        "filter": lambda choose, values: [one for one in items_of(values) if (choose(one) if choose else one)],
        "float": Type(float, float),
        "int": Type(int, int),
        "isinstance": _isinstance,
        "len": len,
        "list": Type(list, _list),
        "map": lambda change, *values: [change(*each) for each in zip(*values, strict=False)],
        "max": max,
        "min": min,
        "range": _range,
        "reversed": lambda values: _list(values)[::-1],
        "round": round,
        "set": Type(set, lambda values=(): set(items_of(values))),
        "sorted": lambda values, *, key=None, reverse=False: sorted(items_of(values), key=key, reverse=reverse),
        "str": Type(str, str),
        "sum": lambda values, start=0: bounded(sum(items_of(values), start)),
        "tuple": Type(tuple, lambda values=(): tuple(items_of(values))),
        "zip": lambda *values: [tuple(each) for each in zip(*values, strict=False)],
    }


JSON = {"dumps": _dumps, "loads": json.loads}
