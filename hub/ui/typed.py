"""What was typed into a form, and how a text becomes a number."""

from collections.abc import Mapping, Sequence
from typing import Any

Form = Mapping[str, Sequence[str]]
ABSENT: Any = object()


def one(form: Form, name: str) -> str:
    """The first value of a field, "" where there is none."""
    values = form.get(name)
    return values[0] if values else ""


def counted(text: str) -> int | None:
    """The whole number of at most nine digits that a text says, such as a version that was seen; None for anything else."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def number(text: str, *, whole: bool = False) -> Any:
    """The number that a text says, or the text itself when it says none."""
    try:
        return int(text)
    except ValueError:
        if whole:
            return text
    try:
        found = float(text)
    except ValueError:
        return text
    return found if found - found == 0 else text
