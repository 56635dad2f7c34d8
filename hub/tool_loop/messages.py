"""The loop in Anthropic's Messages: `mcp_servers` in, `mcp_tool_use` and `mcp_tool_result` blocks out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.refusal import Malformed
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.neutral import flat
from hub.dialect.sse import data_of, event_of
from hub.tool_loop.dialogue import Names, Use, added
from hub.tool_loop.own import place_of
from hub.tool_loop.results import Outcome
from hub.tool_loop.toolbox import Function, Open, Toolbox, Wish

_encode = msgspec.json.encode
_FORCED = ("any", "tool")


def messages_dialogue(body: dict[str, Any], authorities: frozenset[str], open_box: Open) -> "MessagesDialogue | None":
    """The dialogue of a call that names a profile of this hub; None for any other.

    Raises Malformed, and what opening the profiles raises.
    """
    foreign: list[Any] = []
    named: dict[str, tuple[dict[str, Any], Any]] = {}
    for entry in a_list(body.get("mcp_servers")):
        place = place_of(a_dict(entry), "url", authorities)
        if place is None:
            foreign.append(entry)
            continue
        label = a_text(a_dict(entry).get("name")) or place.profile
        if label in named:
            raise Malformed(
                "malformed", f"The field 'mcp_servers' names '{label[:64]}' twice. Give each a name of its own."
            )
        named[label] = (a_dict(entry), place)
    if not named:
        return None
    tools = a_list(body.get("tools"))
    sets = {a_text(a_dict(one).get("mcp_server_name")): a_dict(one) for one in tools if _is_toolset(one)}
    wishes = [_wish(label, entry, place, sets.get(label)) for label, (entry, place) in named.items()]
    rest = [one for one in tools if not (_is_toolset(one) and a_dict(one).get("mcp_server_name") in named)]
    box = open_box([wish for wish in wishes if wish is not None], [a_text(a_dict(one).get("name")) for one in rest])
    changed = {name: value for name, value in body.items() if name != "mcp_servers"}
    if foreign:
        changed["mcp_servers"] = foreign
    return MessagesDialogue(changed, rest, box)


def _is_toolset(tool: Any) -> bool:
    return a_dict(tool).get("type") == "mcp_toolset"


def _wish(label: str, entry: dict[str, Any], place: Any, toolset: dict[str, Any] | None) -> Wish | None:
    """What an entry asks for, and a toolset about it; None when it is switched off."""
    if "require_approval" in entry:
        raise Malformed(
            "unsupported_field",
            "The field 'require_approval' has no meaning in Messages, which has no words for it. Call /v1/responses.",
        )
    configured = a_dict(entry.get("tool_configuration"))
    if configured.get("enabled") is False:
        return None
    allowed = configured.get("allowed_tools")
    names = tuple(map(a_text, a_list(allowed))) if allowed is not None else None
    denied: tuple[str, ...] = ()
    if toolset is not None:
        each = {name: a_dict(one).get("enabled") for name, one in a_dict(toolset.get("configs")).items()}
        denied = tuple(name for name, enabled in each.items() if enabled is False)
        if a_dict(toolset.get("default_config")).get("enabled") is False:
            names = tuple(name for name, enabled in each.items() if enabled is True)
    return Wish(label, place.profile, place.mode, names, denied)


class MessagesDialogue:
    """See `hub.tool_loop.dialogue.Dialogue`."""

    def __init__(self, body: dict[str, Any], tools: list[Any], box: Toolbox) -> None:
        functions = [
            {"name": one.name, "description": one.description, "input_schema": one.schema}
            for one in box.functions.values()
        ]
        self._body = {**body, "tools": [*tools, *functions]}
        self._box = box
        self._messages = _spoken_before(a_list(body.get("messages")), box)
        self._content: list[dict[str, Any]] = []  # what the caller has been told
        self._turn: list[dict[str, Any]] = []  # the blocks of this turn, as the model made them
        self._results: list[dict[str, Any]] = []
        self._head: dict[str, Any] = {}
        self._tail: dict[str, Any] = {}
        self._used: Any = {}
        self._counted: dict[str, Any] = {}
        self._partial: dict[int, list[str]] = {}
        self._offset = 0
        self._names = Names("mcptoolu_", "toolu_")
        self.due: list[Use] = []
        self.goes_on = False
        self.broken = False

    def body(self) -> bytes:
        """See `Dialogue`."""
        self._turn, self._results, self._partial = [], [], {}
        self._names.next_turn()
        self._offset = len(self._content)
        encoded = _encode({**self._body, "messages": self._messages})
        if a_dict(self._body.get("tool_choice")).get("type") in _FORCED:  # once: else it would never end
            self._body["tool_choice"] = {"type": "auto"}
        return encoded

    # -- a turn ----------------------------------------------------------------------------------------------------

    def event(self, event: bytes) -> Iterator[bytes]:
        """See `Dialogue`."""
        data = data_of(event)
        told: dict[str, Any] = msgspec.json.decode(data) if data else {}
        match told.get("type"):
            case "message_start":
                message = a_dict(told.get("message"))
                self._counted = a_dict(message.get("usage"))
                if not self._head:
                    self._head = message
                    yield event
            case "content_block_start":
                yield self._begun(told)
            case "content_block_delta":
                self._grown(told)
                yield _event({**told, "index": told["index"] + self._offset})
            case "content_block_stop":
                self._complete(told["index"])
                yield _event({**told, "index": told["index"] + self._offset})
            case "message_delta":
                self._tail = told
                self._used = added(self._used, {**self._counted, **a_dict(told.get("usage"))})
            case "message_stop":
                self._over(a_text(a_dict(self._tail.get("delta")).get("stop_reason")))
            case "error":
                self.broken = True
                yield event
            case _:
                yield event

    def _begun(self, told: dict[str, Any]) -> bytes:
        block = dict(a_dict(told.get("content_block")))
        self._turn.append(block)
        shown = self._shown(block)
        self._content.append(dict(shown))
        return _event({**told, "index": told["index"] + self._offset, "content_block": shown})

    def _grown(self, told: dict[str, Any]) -> None:
        block, delta = self._turn[told["index"]], a_dict(told.get("delta"))
        match delta.get("type"):
            case "input_json_delta":
                self._partial.setdefault(told["index"], []).append(a_text(delta.get("partial_json")))
            case "text_delta":
                block["text"] = a_text(block.get("text")) + a_text(delta.get("text"))
            case "thinking_delta":
                block["thinking"] = a_text(block.get("thinking")) + a_text(delta.get("thinking"))
            case "signature_delta":
                block["signature"] = a_text(block.get("signature")) + a_text(delta.get("signature"))
            case "citations_delta":
                block["citations"] = [*a_list(block.get("citations")), delta.get("citation")]
            case _:
                pass

    def _complete(self, index: int) -> None:
        block = self._turn[index]
        if index in self._partial:
            block["input"] = _object("".join(self._partial.pop(index)))

    def whole(self, reply: dict[str, Any]) -> None:
        """See `Dialogue`."""
        self._head = reply
        self._used = added(self._used, a_dict(reply.get("usage")))
        for block in map(a_dict, a_list(reply.get("content"))):
            self._turn.append(block)
            self._content.append(self._shown(block))
        self._over(a_text(reply.get("stop_reason")))

    def _shown(self, block: dict[str, Any]) -> dict[str, Any]:
        """A block as the caller sees it: a call of one of our tools is ours to make."""
        function = self._ours(block)
        if function is None:
            return block
        shown = {"type": "mcp_tool_use", "id": self._names.of(a_text(block.get("id"))), "name": function.tool}
        return {**shown, "server_name": function.wish.label, "input": block.get("input") or {}}

    def _ours(self, block: dict[str, Any]) -> Function | None:
        return self._box.functions.get(a_text(block.get("name"))) if block.get("type") == "tool_use" else None

    def _over(self, stop: str) -> None:
        """The turn is whole: what is to be called now, and whether the model goes on after that."""
        uses = [block for block in self._turn if block.get("type") == "tool_use"]
        self.due = []
        for block in uses:
            function = self._ours(block)
            if function is not None and stop == "tool_use":
                identifier = a_text(block.get("id"))
                given = _encode(block.get("input") or {}).decode()
                self.due.append(Use(identifier, self._names.of(identifier), function, given))
        for block, shown in zip(self._turn, self._content[self._offset :], strict=False):
            if shown.get("type") == "mcp_tool_use":
                shown["input"] = block.get("input") or {}
        self.goes_on = bool(self.due) and len(self.due) == len(uses)
        if self.due:
            self._messages.append({"role": "assistant", "content": self._turn})

    # -- between turns ---------------------------------------------------------------------------------------------

    def made(self, use: Use, outcome: Outcome) -> Iterator[bytes]:
        """See `Dialogue`."""
        if not self._results:
            self._messages.append({"role": "user", "content": self._results})
        self._results.append(
            {
                "type": "tool_result",
                "tool_use_id": use.id,
                "content": [
                    *({"type": "text", "text": text} for text in outcome.texts if text),
                    *(
                        {"type": "image", "source": {"type": "base64", "media_type": one.mime, "data": one.data}}
                        for one in outcome.pictures
                    ),
                ],
                "is_error": outcome.failed,
            }
        )
        texts = [*outcome.texts, *(f"[a picture: {one.mime}]" for one in outcome.pictures)]
        block = {
            "type": "mcp_tool_result",
            "tool_use_id": use.shown,
            "is_error": outcome.failed,
            "content": [{"type": "text", "text": text} for text in texts],
        }
        index = len(self._content)
        self._content.append(block)
        yield _event({"type": "content_block_start", "index": index, "content_block": block})
        yield _event({"type": "content_block_stop", "index": index})

    def exhausted(self) -> None:
        """See `Dialogue`. As Anthropic's own loop says it: send it all back, and the model goes on."""
        self._tail = {**self._tail, "delta": {**a_dict(self._tail.get("delta")), "stop_reason": "pause_turn"}}
        self._head = {**self._head, "stop_reason": "pause_turn"}

    def end(self) -> Iterator[bytes]:
        """See `Dialogue`."""
        yield _event({**self._tail, "type": "message_delta", "usage": self._used})
        yield _event({"type": "message_stop"})

    def final(self) -> dict[str, Any]:
        """See `Dialogue`."""
        return {**self._head, "content": self._content, "usage": self._used}


def _spoken_before(messages: list[Any], box: Toolbox) -> list[Any]:
    """The conversation with its earlier calls of our tools as calls of functions, which any model understands."""
    told: list[Any] = []
    for message in messages:
        content = a_dict(message).get("content")
        kinds = {a_dict(one).get("type") for one in a_list(content)}
        if not kinds & {"mcp_tool_use", "mcp_tool_result"}:
            told.append(message)
            continue
        told += _apart([a_dict(one) for one in a_list(content)], box)
    return told


def _apart(content: list[dict[str, Any]], box: Toolbox) -> list[dict[str, Any]]:
    """One turn with calls and results in it, as turns of the model and turns with results."""
    turns: list[dict[str, Any]] = []
    for block in content:
        role = "user" if block.get("type") == "mcp_tool_result" else "assistant"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"].append(_as_function(block, box))
    return turns


def _as_function(block: dict[str, Any], box: Toolbox) -> dict[str, Any]:
    if block.get("type") == "mcp_tool_result":
        result = {"type": "tool_result", "tool_use_id": block.get("tool_use_id")}
        return {**result, "content": block.get("content") or "", "is_error": block.get("is_error") is True}
    if block.get("type") != "mcp_tool_use":
        return block
    label, tool = a_text(block.get("server_name")), a_text(block.get("name"))
    function = box.find(label, tool)
    name = function.name if function is not None else flat("", tool)
    return {"type": "tool_use", "id": block.get("id"), "name": name, "input": block.get("input") or {}}


def _object(text: str) -> Any:
    """The arguments that were streamed; what is no JSON is left for the tool to refuse."""
    try:
        return msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return {"": text}


def _event(data: dict[str, Any]) -> bytes:
    return event_of(a_text(data.get("type")), data)
