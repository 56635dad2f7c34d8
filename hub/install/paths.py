"""How a place in a document is said: names of members, and items of a list by what they hold."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Step = str | Mapping[str, str]


class Absent:
    """There is nothing at that place; unlike None, which is a value."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


def matches(step: Step, value: Any) -> bool:
    """Whether an item of a list is the one that a step names."""
    return (
        not isinstance(step, str)
        and isinstance(value, Mapping)
        and all(value.get(name) == wanted for name, wanted in step.items())
    )


def find(data: Any, path: Sequence[Step]) -> Any:
    """What stands at `path` in plain data, or ABSENT."""
    for step in path:
        if isinstance(step, str):
            data = data.get(step, ABSENT) if isinstance(data, Mapping) else ABSENT
        else:
            items = data if isinstance(data, list) else []
            data = next((item for item in items if matches(step, item)), ABSENT)
        if data is ABSENT:
            return ABSENT
    return data


def with_value(data: Any, path: Sequence[Step], value: Any) -> Any:
    """Plain data with `value` at `path` (ABSENT takes away); nothing of the given data is changed."""
    if not path or (value is ABSENT and data is ABSENT):
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        members = dict(data) if isinstance(data, Mapping) else {}
        new = with_value(members.get(step, ABSENT), rest, value)
        members.pop(step, None) if new is ABSENT else members.update({step: new})
        return members
    items = list(data) if isinstance(data, list) else []
    index = next((i for i, item in enumerate(items) if matches(step, item)), -1)
    new = with_value(items[index] if index >= 0 else ABSENT, rest, value)
    if index >= 0:
        items[index : index + 1] = [] if new is ABSENT else [new]
    elif new is not ABSENT:
        items.append(new)
    return items


def written(path: Sequence[Step]) -> str:
    """A path for people: `mcpServers.demo`, `inputs[id=hub_key]`."""
    text = ""
    for step in path:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += "[" + ",".join(f"{name}={value}" for name, value in step.items()) + "]"
    return text
