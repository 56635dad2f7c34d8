"""What was said before in OpenAI's Responses, with earlier calls of our tools as calls of functions."""

from typing import Any

from msgspec import Struct

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.neutral import flat
from hub.tool_loop.approvals import Approvals, Asked
from hub.tool_loop.toolbox import Toolbox


class Spoken(Struct, frozen=True):
    """The input as any model understands it; which lists of tools were told; which calls were just approved, by question."""

    items: list[Any]
    listed: frozenset[str]
    approved: list[tuple[str, Asked]]


def spoken_before(given: Any, box: Toolbox, approvals: Approvals, *, stateful: bool) -> Spoken:
    """The input of a call. Where the conversation is kept upstream (`stateful`), it knows of the calls already.

    Raises Malformed for an approval of something that was never asked.
    """
    if isinstance(given, str):
        return Spoken([{"role": "user", "content": given}], frozenset(), [])
    items: list[Any] = []
    listed: set[str] = set()
    approved: list[tuple[str, Asked]] = []
    for item in a_list(given):
        told = a_dict(item)
        match told.get("type"):
            case "mcp_list_tools":
                listed.add(a_text(told.get("server_label")))
            case "mcp_call":
                items += _called(told, box)
            case "mcp_approval_request":
                pass  # what counts is in the answer to it
            case "mcp_approval_response":
                identifier = a_text(told.get("approval_request_id"))
                asked = approvals.asked(identifier)
                if not stateful:
                    items.append(_function_call(asked.call, _name(asked.label, asked.tool, box), asked.arguments))
                if told.get("approve") is True:
                    approved.append((identifier, asked))
                else:
                    items.append(_output(asked.call, _declined(a_text(told.get("reason")))))
            case _:
                items.append(item)
    return Spoken(items, frozenset(listed), approved)


def _called(told: dict[str, Any], box: Toolbox) -> list[dict[str, Any]]:
    call = a_text(told.get("id")).removeprefix("mcp_") or "call"
    name = _name(a_text(told.get("server_label")), a_text(told.get("name")), box)
    output = a_text(told.get("output")) or a_text(told.get("error"))
    return [_function_call(call, name, a_text(told.get("arguments")) or "{}"), _output(call, output)]


def _name(label: str, tool: str, box: Toolbox) -> str:
    function = box.find(label, tool)
    return function.name if function is not None else flat("", tool)


def _function_call(call: str, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}


def _output(call: str, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call, "output": output}


def _declined(reason: str) -> str:
    return f"The user did not approve this call{f': {reason[:500]}' if reason else '.'}"
