"""The tools of the profiles that a call names, as functions for a model: which ones, under which names, called how."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hub.core.principal import Globs
from hub.core.values import a_dict, a_text
from hub.dialect.neutral import flat
from hub.tool_path import Visit

_object = msgspec.json.Decoder(dict[str, Any])


class Wish(Struct, frozen=True):
    """What a call says about one profile: how it calls it (`label`), which tools it wants, and which need a person's word.

    `allowed` are names, or None for all; `readers` leaves only those that say they change nothing. `asks` are names of
    tools, or patterns, that are called only once somebody has approved; `spares` those that need no such word.
    """

    label: str
    profile: str
    mode: str = ""
    allowed: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()
    readers: bool = False
    asks: tuple[str, ...] = ()
    asks_writers: bool = False
    spares: tuple[str, ...] = ()


class Function(Struct, frozen=True):
    """One tool as the model sees it: `name` is unique within the call, `tool` its own name in the profile."""

    name: str
    wish: Wish
    visit: Visit
    tool: str
    description: str
    schema: dict[str, Any]
    annotations: dict[str, Any]

    @property
    def needs_approval(self) -> bool:
        """Whether somebody has to approve each call of it."""
        wish = self.wish
        if self.tool in wish.spares:
            return False
        return Globs(wish.asks).allows(self.tool) or (wish.asks_writers and not _only_reads(self.annotations))


class Toolbox:
    """All functions of one call. `functions` is by the name that the model uses."""

    def __init__(self, wishes: Sequence[tuple[Wish, Visit]], taken: Sequence[str]) -> None:
        self.labels = tuple(wish.label for wish, _ in wishes)
        self.functions: dict[str, Function] = {}
        names = set(taken)
        for wish, visit in wishes:
            for tool in visit.view.visible(visit.principal):
                definition = _object.decode(tool.definition)
                if _wanted(wish, tool.name, a_dict(definition.get("annotations"))):
                    self._add(wish, visit, tool.name, definition, names)

    def _add(self, wish: Wish, visit: Visit, tool: str, definition: dict[str, Any], names: set[str]) -> None:
        name = flat("", tool)
        if name in names:
            name = flat(wish.label, tool)
        if name in names:  # two wishes for one profile: the first one has it
            return
        names.add(name)
        schema = definition.get("inputSchema")
        self.functions[name] = Function(
            name,
            wish,
            visit,
            tool,
            a_text(definition.get("description")),
            schema if isinstance(schema, dict) else {"type": "object", "properties": {}},  # pyright: ignore[reportUnknownArgumentType]
            a_dict(definition.get("annotations")),
        )

    def of(self, label: str) -> list[Function]:
        """The functions of one profile."""
        return [one for one in self.functions.values() if one.wish.label == label]

    def find(self, label: str, tool: str) -> Function | None:
        """The function of that tool."""
        return next((one for one in self.functions.values() if one.wish.label == label and one.tool == tool), None)


# Opens the profiles that are wished for; the names are taken already. Raises what visiting them raises.
Open = Callable[[list[Wish], list[str]], Toolbox]


def _only_reads(annotations: Mapping[str, Any]) -> bool:
    return annotations.get("readOnlyHint") is True


def _wanted(wish: Wish, name: str, annotations: Mapping[str, Any]) -> bool:
    if wish.allowed is not None and name not in wish.allowed:
        return False
    return name not in wish.denied and not (wish.readers and not _only_reads(annotations))
