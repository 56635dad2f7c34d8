"""The calls of tools in a stream of Chat Completions, whichever way its server numbers and names them."""

from collections.abc import Iterator
from typing import Any

from hub.core.values import a_dict, a_number, a_text
from hub.dialect.chat_answers import arguments_text, made_id
from hub.dialect.given import whole_json
from hub.dialect.happenings import Grown, Happening, Opened, Shut
from hub.dialect.neutral import ToolUse


class _Call:
    def __init__(self, place: int, id_: str, name: str) -> None:
        self.place = place
        self.id = id_
        self.name = name
        self.arguments = ""


class Calls:
    """Tells calls apart, and gives each the next place from `first` on.

    OpenAI numbers them. Other servers give all of them the same number or none, and tell each whole: there another id,
    another name, or more arguments after complete ones make another call.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._count = 0
        self._told: dict[int, _Call] = {}  # by the server's number: the last call under it
        self._open: dict[int, _Call] = {}  # by place
        self._ids: dict[int, str] = {}  # those that came before the name
        self._last = 0

    def __bool__(self) -> bool:
        """Whether there was any."""
        return self._count > 0

    def put(self, call: dict[str, Any], answer: str) -> Iterator[Happening]:
        """What a delta of a call says. `answer` is the id of the answer."""
        given = a_number(call.get("index"))
        self._last = number = self._last if given is None else given
        custom = call.get("type") == "custom" or "custom" in call
        held = a_dict(call.get("custom" if custom else "function"))
        id_, name = a_text(call.get("id")), a_text(held.get("name"))
        piece = arguments_text(held.get("input" if custom else "arguments") or "")
        there = self._told.get(number)
        if name and (there is None or _is_other(there, id_, name, piece)):
            if there is not None:
                yield from self._shut(there)
            yield from self.complete()
            id_ = id_ or self._ids.pop(number, "") or made_id(answer, self._count)
            there = self._told[number] = _Call(self._first + self._count, id_, name)
            self._open[there.place] = there
            self._count += 1
            signature = a_text(a_dict(a_dict(call.get("extra_content")).get("google")).get("thought_signature"))
            yield Opened(there.place, ToolUse(id_, name, "", freeform=custom, signature=signature))
        elif id_ and there is None:
            self._ids[number] = id_
        if piece and there is not None and there.place in self._open:
            there.arguments += piece
            yield Grown(there.place, piece)

    def complete(self) -> Iterator[Happening]:
        """The end of those whose arguments are complete, by their JSON: nothing can follow them."""
        for one in list(self._open.values()):
            if whole_json(one.arguments):
                yield from self._shut(one)

    def end(self) -> Iterator[Happening]:
        """The end of all that are open."""
        for one in list(self._open.values()):
            yield from self._shut(one)

    def _shut(self, one: _Call) -> Iterator[Happening]:
        if self._open.pop(one.place, None) is not None:
            yield Shut(one.place)


def _is_other(there: _Call, id_: str, name: str, piece: str) -> bool:
    if id_ and id_ != there.id:
        return True
    return name != there.name or (not id_ and bool(piece) and whole_json(there.arguments))
