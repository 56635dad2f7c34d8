"""Reading the objects of a request field by field, and keeping account of what could not be carried on."""

from typing import Any, TypeVar, cast

import msgspec

from hub.core.refusal import Malformed

T = TypeVar("T")
_SHOWN = 80
_MOST_NAMES = 40


class Notes:
    """The names of what a translation leaves behind, in the order met, each once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def drop(self, *names: str) -> None:
        """These cannot cross."""
        for name in names:
            if len(self._names) < _MOST_NAMES:
                self._names[name[:_SHOWN]] = None

    @property
    def names(self) -> tuple[str, ...]:
        """What was dropped."""
        return tuple(self._names)


def wrong(at: str, expected: str) -> Malformed:
    """The refusal of a field whose value has the wrong form."""
    return Malformed("malformed", f"The field '{at[:_SHOWN]}' is wrong: {expected} is expected.")


class Given:
    """One object at `at`, whose fields are read once each; `rest` names those that nobody read."""

    __slots__ = ("_left", "at")

    def __init__(self, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise wrong(at, "an object")
        self._left: dict[str, Any] = dict(cast("dict[str, Any]", value))
        self.at = at

    def _take(self, name: str, kinds: type[T] | tuple[type[T], ...], expected: str) -> T | None:
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise wrong(self._path(name), expected)
        return cast("T", value)

    def _path(self, name: str) -> str:
        return f"{self.at}.{name}" if self.at else name

    def text(self, name: str) -> str:
        """A string; "" when missing."""
        return self._take(name, str, "a string") or ""

    def number(self, name: str) -> float | None:
        """A number."""
        return self._take(name, (int, float), "a number")

    def whole(self, name: str) -> int | None:
        """A whole number."""
        return self._take(name, int, "a whole number")

    def flag(self, name: str) -> bool | None:
        """True or false."""
        return self._take(name, bool, "true or false")

    def items(self, name: str) -> list[Any]:
        """A list; [] when missing."""
        return cast("list[Any] | None", self._take(name, list, "a list")) or []

    def mapping(self, name: str) -> dict[str, Any]:
        """An object, as it is; {} when missing."""
        return cast("dict[str, Any] | None", self._take(name, dict, "an object")) or {}

    def within(self, name: str) -> "Given":
        """An object, to be read; an empty one when missing."""
        return Given(self.mapping(name), self._path(name))

    def any(self, name: str) -> Any:
        """Whatever stands there."""
        return self._left.pop(name, None)

    def each(self, name: str) -> "list[Given]":
        """A list of objects, to be read."""
        path = self._path(name)
        return [Given(one, f"{path}[{number}]") for number, one in enumerate(self.items(name))]

    def rest(self) -> dict[str, Any]:
        """What nobody read and says something."""
        return {name: value for name, value in self._left.items() if value is not None}


def parse(body: bytes) -> dict[str, Any]:
    """The request body as an object. Raises Malformed."""
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("malformed", f"The request body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise Malformed("malformed", "The request body must be a JSON object.")
    return cast("dict[str, Any]", value)


def json_text(value: Any) -> str:
    """A value as JSON text, always the same for the same value."""
    return msgspec.json.encode(value).decode()


def json_object(text: str) -> dict[str, Any]:
    """The object that a model wrote as the arguments of a tool. What is no object is kept under `input`."""
    if not text.strip():
        return {}
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return {"input": text}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"input": value}


def whole_json(text: str) -> bool:
    """Whether `text` is a complete JSON object: nothing can follow it."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return False
    return True
