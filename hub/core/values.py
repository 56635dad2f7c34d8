"""Reading loose JSON: what is not of the wanted kind counts as empty."""

from typing import Any, cast


def a_dict(value: Any) -> dict[str, Any]:
    """The value if it is an object, else {}."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def a_list(value: Any) -> list[Any]:
    """The value if it is an array, else []."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def a_text(value: Any) -> str:
    """The value if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def a_number(value: Any) -> int | None:
    """The value if it is a whole number of tokens, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts_of(content: Any) -> list[str]:
    """The texts of a message's content: the string itself, or the text of its blocks."""
    if isinstance(content, str):
        return [content]
    return [text for block in a_list(content) if (text := a_text(a_dict(block).get("text")))]
