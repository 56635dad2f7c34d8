"""The loop in OpenAI's Responses: tools of type `mcp` in; lists, calls and questions for approval out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.ids import new_id
from hub.core.refusal import Malformed
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.sse import data_of, event_of
from hub.tool_loop.approvals import Approvals, Asked
from hub.tool_loop.dialogue import Names, Use, added
from hub.tool_loop.history import Spoken, spoken_before
from hub.tool_loop.kept import Threads
from hub.tool_loop.own import place_of
from hub.tool_loop.results import Outcome
from hub.tool_loop.toolbox import Function, Open, Toolbox, Wish

_encode = msgspec.json.encode
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_BEGINS = ("response.created", "response.in_progress", "response.queued")
_ENCRYPTED = "reasoning.encrypted_content"


def responses_dialogue(
    body: dict[str, Any], authorities: frozenset[str], open_box: Open, approvals: Approvals, threads: Threads
) -> "ResponsesDialogue | None":
    """The dialogue of a call that names a profile of this hub; None for any other.

    Raises Malformed, and what opening the profiles raises.
    """
    rest: list[Any] = []
    wishes: dict[str, Wish] = {}
    for tool in a_list(body.get("tools")):
        given = a_dict(tool)
        place = place_of(given, "server_url", authorities) if given.get("type") == "mcp" else None
        if place is None:
            rest.append(tool)
            continue
        label = a_text(given.get("server_label")) or place.profile
        if label in wishes:
            raise Malformed("malformed", f"The field 'tools' names the label '{label[:64]}' twice. Give each its own.")
        wishes[label] = _wish(label, given, place.profile, place.mode)
    if not wishes:
        return None
    box = open_box(list(wishes.values()), [a_text(a_dict(one).get("name")) for one in rest])
    return ResponsesDialogue(body, rest, box, approvals, threads)


def _wish(label: str, given: dict[str, Any], profile: str, mode: str) -> Wish:
    allowed = given.get("allowed_tools")
    names = a_list(a_dict(allowed).get("tool_names")) if isinstance(allowed, dict) else allowed
    readers = isinstance(allowed, dict) and a_dict(allowed).get("read_only") is True
    if isinstance(allowed, dict) and "tool_names" not in allowed:
        names = None
    approval = given.get("require_approval")
    asks: tuple[str, ...] = ("*",) if approval == "always" else ()
    spares: tuple[str, ...] = ()
    writers = False
    if isinstance(approval, dict):
        always, never = (a_dict(a_dict(approval).get(one)) for one in ("always", "never"))
        asks = tuple(map(a_text, a_list(always.get("tool_names"))))
        spares = tuple(map(a_text, a_list(never.get("tool_names"))))
        writers = never.get("read_only") is True
        if "never" in approval and "always" not in approval and not writers:
            asks = ("*",)
    elif approval not in (None, "always", "never"):
        raise Malformed("malformed", "The field 'require_approval' is always, never, or an object with lists of tools.")
    allowed_names = tuple(map(a_text, a_list(names))) if names is not None else None
    return Wish(label, profile, mode, allowed_names, readers=readers, asks=asks, asks_writers=writers, spares=spares)


class ResponsesDialogue:
    """See `hub.tool_loop.dialogue.Dialogue`."""

    def __init__(
        self, body: dict[str, Any], rest: list[Any], box: Toolbox, approvals: Approvals, threads: Threads
    ) -> None:
        self._given = body
        self._box = box
        self._approvals = approvals
        self._body = {name: value for name, value in body.items() if name not in ("max_tool_calls", "tool_choice")}
        self._body["tools"] = [*rest, *map(_as_tool, box.functions.values())]
        if body.get("store") is False and _ENCRYPTED not in a_list(body.get("include")):
            self._body["include"] = [*a_list(body.get("include")), _ENCRYPTED]
        if body.get("tool_choice") is not None:
            self._body["tool_choice"] = _choice(body["tool_choice"], box)
        spoken = spoken_before(body.get("input"), box, approvals, stateful=bool(body.get("previous_response_id")))
        self._threads = threads
        before = threads.after(approvals.principal, a_text(body.get("previous_response_id")))
        if before.response:
            self._body["previous_response_id"] = before.response
        self._input: list[Any] = [*before.items, *spoken.items]
        self._results: list[dict[str, Any]] = []  # of this turn's calls
        most = body.get("max_tool_calls")
        self._left = most if isinstance(most, int) and not isinstance(most, bool) and most >= 0 else None
        self._output: list[dict[str, Any]] = []  # what the caller has been told
        self._turn: list[dict[str, Any]] = []  # the items of this turn, as the model made them
        self._places: dict[int, int] = {}  # of this turn's items in the whole output
        self._head: dict[str, Any] = {}
        self._used: Any = {}
        self._number = 0
        self._id = ""  # of the first turn's response, once the caller has been told it
        self._names = Names("mcp_")
        self._opened = False
        self._early: list[dict[str, Any]] = [_listed(label, box) for label in box.labels if label not in spoken.listed]
        self.due: list[Use] = _approved(spoken, box)
        self.goes_on = True
        self.broken = False

    def body(self) -> bytes:
        """See `Dialogue`."""
        self._turn, self._places, self._results = [], {}, []
        self._names.next_turn()
        encoded = _encode({**self._body, "input": self._input})
        if self._body.get("tool_choice", "none") != "none":  # forced once: else it would never end
            self._body["tool_choice"] = "auto"
        return encoded

    # -- a turn ----------------------------------------------------------------------------------------------------

    def event(self, event: bytes) -> Iterator[bytes]:
        """See `Dialogue`."""
        data = data_of(event)
        told: dict[str, Any] = msgspec.json.decode(data) if data.startswith(b"{") else {}
        kind = a_text(told.get("type"))
        if kind in _BEGINS:
            if not self._opened:
                self._id = a_text(a_dict(told.get("response")).get("id"))
                yield self._say({**told, "response": self._as_given(a_dict(told.get("response")))})
            return
        if not kind:
            yield event
            return
        yield from self._open()
        if kind in _ENDS:
            self._over(a_dict(told.get("response")))
            if kind == "response.failed":
                self.broken = True
                yield self._say({**told, "response": self.final()})
        elif kind == "error":
            self.broken = True
            yield self._say(told)
        elif "output_index" in told:
            yield from self._item(kind, told)
        else:
            yield self._say(told)

    def _open(self) -> Iterator[bytes]:
        """What stands before the model's own items: the lists of tools, and what became of approved calls."""
        if self._opened:
            return
        self._opened = True
        for item in self._early:
            place = len(self._output)
            self._output.append(item)
            shell = (
                {**item, "tools": []} if item["type"] == "mcp_list_tools" else {**item, "output": None, "error": None}
            )
            yield self._say({"type": "response.output_item.added", "output_index": place, "item": shell})
            about = {"output_index": place, "item_id": item["id"]}
            kind = item["type"].removeprefix("mcp_")
            yield self._say({"type": f"response.mcp_{kind}.in_progress", **about})
            end = "failed" if item.get("error") else "completed"
            yield self._say({"type": f"response.mcp_{kind}.{end}", **about})
            yield self._say({"type": "response.output_item.done", "output_index": place, "item": item})

    def _item(self, kind: str, told: dict[str, Any]) -> Iterator[bytes]:
        """An event about one item of the model's output."""
        index: int = told["output_index"]
        item = a_dict(told.get("item"))
        if kind == "response.output_item.added":
            function = self._ours(item)
            if function is not None and function.needs_approval:
                return  # asked once it is known for what
            self._places[index] = len(self._output)
            self._output.append(_call(self._shown(item), item, function) if function is not None else item)
        if index not in self._places:
            if kind == "response.output_item.done":
                yield from self._question(item)
            return
        place = self._places[index]
        shown = self._output[place]
        if shown.get("type") != "mcp_call":
            if kind == "response.output_item.done":
                self._output[place] = item
                self._turn.append(item)
            yield self._say({**told, "output_index": place})
            return
        yield from self._call_told(kind, told, place)

    def _call_told(self, kind: str, told: dict[str, Any], place: int) -> Iterator[bytes]:
        """An event about a call that is made here."""
        shown, item = self._output[place], a_dict(told.get("item"))
        about = {"output_index": place, "item_id": shown["id"]}
        match kind:
            case "response.output_item.added":
                yield self._say({**told, "output_index": place, "item": shown})
                yield self._say({"type": "response.mcp_call.in_progress", **about})
            case "response.function_call_arguments.delta":
                yield self._say({"type": "response.mcp_call_arguments.delta", "delta": told.get("delta"), **about})
            case "response.function_call_arguments.done":
                given = told.get("arguments")
                yield self._say({"type": "response.mcp_call_arguments.done", "arguments": given, **about})
            case "response.output_item.done":
                shown["arguments"] = a_text(item.get("arguments"))
                self._turn.append(item)
            case _:
                pass

    def _question(self, item: dict[str, Any]) -> Iterator[bytes]:
        """Ask for approval of a call."""
        function = self._ours(item)
        assert function is not None
        self._turn.append(item)
        asked = self._asked(item, function)
        place = len(self._output)
        self._output.append(asked)
        yield self._say({"type": "response.output_item.added", "output_index": place, "item": asked})
        yield self._say({"type": "response.output_item.done", "output_index": place, "item": asked})

    def _asked(self, item: dict[str, Any], function: Function) -> dict[str, Any]:
        call, given = a_text(item.get("call_id")), a_text(item.get("arguments")) or "{}"
        label, tool = function.wish.label, function.tool
        question = self._approvals.question(Asked(call, label, tool, given))
        return {"type": "mcp_approval_request", "id": question, "server_label": label, "name": tool, "arguments": given}

    def whole(self, reply: dict[str, Any]) -> None:
        """See `Dialogue`."""
        if not self._opened:
            self._opened = True
            self._output += self._early
        for item in map(a_dict, a_list(reply.get("output"))):
            self._turn.append(item)
            function = self._ours(item)
            if function is None:
                self._output.append(item)
            elif function.needs_approval:
                self._output.append(self._asked(item, function))
            else:
                self._output.append(_call(self._shown(item), item, function))
        self._over(reply)

    def _shown(self, item: dict[str, Any]) -> str:
        return self._names.of(a_text(item.get("call_id")))

    def _ours(self, item: dict[str, Any]) -> Function | None:
        return self._box.functions.get(a_text(item.get("name"))) if item.get("type") == "function_call" else None

    def _over(self, response: dict[str, Any]) -> None:
        """The turn is whole: what is to be called now, and whether the model goes on after that."""
        self._head = response
        self._used = added(self._used, a_dict(response.get("usage")))
        calls = [one for one in self._turn if one.get("type") in ("function_call", "custom_tool_call")]
        self.due = []
        for one in calls:
            function, call = self._ours(one), a_text(one.get("call_id"))
            if function is not None and not function.needs_approval:
                self.due.append(Use(call, self._names.of(call), function, a_text(one.get("arguments")) or "{}"))
        self.goes_on = bool(self.due) and len(self.due) == len(calls) and response.get("status") == "completed"
        if self._left is not None and self.due:
            self._left -= len(self.due)
            if self._left <= 0:
                self.goes_on = False
                self.exhausted()
        self._input += self._turn

    # -- between turns ---------------------------------------------------------------------------------------------

    def made(self, use: Use, outcome: Outcome) -> Iterator[bytes]:
        """See `Dialogue`."""
        result = {"type": "function_call_output", "call_id": use.id, "output": _output(outcome)}
        self._results.append(result)
        self._input.append(result)
        place = next((n for n, one in enumerate(self._output) if one.get("id") == use.shown), None)
        if place is None:  # it was approved before, and is told of at the beginning
            self._early.append(_made(_approved_call(use), outcome))
            return
        item = self._output[place] = _made(self._output[place], outcome)
        end = "failed" if outcome.failed else "completed"
        yield self._say({"type": f"response.mcp_call.{end}", "output_index": place, "item_id": use.shown})
        yield self._say({"type": "response.output_item.done", "output_index": place, "item": item})

    def exhausted(self) -> None:
        """See `Dialogue`."""
        self._head = {**self._head, "status": "incomplete", "incomplete_details": {"reason": "max_tool_calls"}}

    def end(self) -> Iterator[bytes]:
        """See `Dialogue`."""
        final = self.final()
        yield self._say({"type": f"response.{final.get('status') or 'completed'}", "response": final})

    def final(self) -> dict[str, Any]:
        """See `Dialogue`. Where the provider keeps the conversation, the last results have yet to be told to it."""
        own = a_text(self._head.get("id"))
        shown = self._id or own
        self._threads.keep(self._approvals.principal, shown, own, self._results)
        return {**self._as_given(self._head), "id": shown, "output": self._output, "usage": self._used or None}

    def _as_given(self, response: dict[str, Any]) -> dict[str, Any]:
        """A response that repeats what the caller asked for, not what the model was asked."""
        said = {name: self._given[name] for name in ("tools", "tool_choice", "max_tool_calls") if name in self._given}
        return {**response, **said}

    def _say(self, data: dict[str, Any]) -> bytes:
        told = {**data, "sequence_number": self._number}
        self._number += 1
        return event_of(a_text(data.get("type")), told)


def _as_tool(function: Function) -> dict[str, Any]:
    named = {"type": "function", "name": function.name, "description": function.description}
    return {**named, "parameters": function.schema, "strict": False}


def _choice(choice: Any, box: Toolbox) -> Any:
    """The choice of a tool with our tools as functions."""
    given = a_dict(choice)
    if given.get("type") != "mcp":
        return choice
    function = box.find(a_text(given.get("server_label")), a_text(given.get("name")))
    return {"type": "function", "name": function.name} if function is not None else "required"


def _listed(label: str, box: Toolbox) -> dict[str, Any]:
    tools = [
        {"name": one.tool, "description": one.description, "input_schema": one.schema, "annotations": one.annotations}
        for one in box.of(label)
    ]
    return {"type": "mcp_list_tools", "id": f"mcpl_{new_id()}", "server_label": label, "tools": tools, "error": None}


def _call(shown: str, item: dict[str, Any], function: Function) -> dict[str, Any]:
    """A call of one of our tools, as the caller sees it before it is made."""
    return {
        "type": "mcp_call",
        "id": shown,
        "server_label": function.wish.label,
        "name": function.tool,
        "arguments": a_text(item.get("arguments")),
        "output": None,
        "error": None,
        "status": "in_progress",
        "approval_request_id": None,
    }


def _approved_call(use: Use) -> dict[str, Any]:
    function = use.function
    item = _call(use.shown, {"arguments": use.arguments}, function)
    return {**item, "approval_request_id": use.approval}


def _made(item: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    told = {"error": outcome.text, "output": None} if outcome.failed else {"error": None, "output": outcome.text}
    return {**item, **told, "status": "failed" if outcome.failed else "completed"}


def _output(outcome: Outcome) -> Any:
    """A result as a model reads it: text, or text and pictures."""
    if not outcome.pictures:
        return outcome.text
    texts = [{"type": "input_text", "text": text} for text in outcome.texts]
    images = [{"type": "input_image", "image_url": f"data:{one.mime};base64,{one.data}"} for one in outcome.pictures]
    return [*texts, *images]


def _approved(spoken: Spoken, box: Toolbox) -> list[Use]:
    """The calls that were approved just now. Raises Malformed when one is of a tool that is not offered any more."""
    uses: list[Use] = []
    for identifier, asked in spoken.approved:
        function = box.find(asked.label, asked.tool)
        if function is None:
            raise Malformed("malformed", f"The tool '{asked.tool}' that was approved is not offered by this call.")
        uses.append(Use(asked.call, f"mcp_{asked.call}", function, asked.arguments, identifier))
    return uses
