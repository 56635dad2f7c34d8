"""What a translation knows of the call while it carries the answer back."""

import msgspec
from msgspec import Struct

from hub.core.calls import ModelCall
from hub.dialect.given import json_object
from hub.dialect.happenings import Grown, Happening, Opened, Shut
from hub.dialect.neutral import Answer, Block, Request, Tool, ToolUse


class Ask(Struct, frozen=True):
    """The call, as it was read; `created` is when it came, in seconds since the epoch.

    `model` is who was asked, which a provider that does not say who answered is taken to be.
    """

    call: ModelCall
    request: Request
    created: int
    model: str

    @property
    def id(self) -> str:
        """A name for what has none, the same for the same call."""
        return self.call.id.replace("-", "")


class Names:
    """Gives the tools in an answer the names, and the form of argument, that the caller gave them."""

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        self._tools = {tool.flat: tool for tool in tools if tool.flat != tool.name or tool.freeform}

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._tools)

    def use(self, use: ToolUse) -> ToolUse:
        """A whole call of a tool."""
        tool = self._tools.get(use.name)
        if tool is None:
            return use
        arguments = use.arguments
        if tool.freeform and not use.freeform:
            arguments = _input(arguments)
        return ToolUse(use.id, tool.name, arguments, tool.namespace, tool.freeform, use.cache, use.signature)

    def answer(self, answer: Answer) -> Answer:
        """A whole answer."""
        blocks: tuple[Block, ...] = tuple(self.use(b) if isinstance(b, ToolUse) else b for b in answer.content)
        return msgspec.structs.replace(answer, content=blocks)


class Renaming:
    """The same for a stream: the argument of a tool that takes text is known when it is complete."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._held: dict[int, list[str]] = {}

    def put(self, what: Happening) -> tuple[Happening, ...]:
        """What goes on."""
        match what:
            case Opened(index, block) if isinstance(block, ToolUse):
                renamed = self._names.use(ToolUse(block.id, block.name, "", "", block.freeform, "", block.signature))
                if renamed.freeform and not block.freeform:
                    self._held[index] = []
                return (Opened(index, renamed),)
            case Grown(index, text) if index in self._held:
                self._held[index].append(text)
                return ()
            case Shut(index) if index in self._held:
                return Grown(index, _input("".join(self._held.pop(index)))), what
            case _:
                return (what,)


def _input(arguments: str) -> str:
    value = json_object(arguments).get("input")
    return value if isinstance(value, str) else arguments


def narrowed(request: Request) -> Request:
    """The call with only those tools that its choice allows: few dialects can offer more than may be called."""
    allowed = set(request.choice.names) if request.choice is not None else set[str]()
    if not allowed:
        return request
    kept = tuple(tool for tool in request.tools if tool.name in allowed or tool.flat in allowed)
    return msgspec.structs.replace(request, tools=kept or request.tools)
