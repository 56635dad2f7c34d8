"""The hub's own tools in a profile: find, describe, read on, and run programs whose calls go the way of all calls."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec
from msgspec import structs

from hub.core.calls import ToolCall
from hub.core.principal import Principal
from hub.core.refusal import Malformed, NotFound, Refusal
from hub.profile import (
    Index,
    ProfileView,
    Results,
    Target,
    Tool,
    as_tool_result,
    fitted,
    function_names,
    grep_text,
    index_of,
    page_of,
    resources_page,
    stub,
)
from hub.upstream import CallFailed, RpcReply, Sandbox

_MOST_INDEXES = 64
_MOST_ABOUT = 300  # characters of a description in a list of matches
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder(dict[str, Any])
_contents = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.encode

Call = Callable[[str, bytes], Awaitable[RpcReply]]


class ToolModes:
    """Answers calls of the hub's own tools. It holds the indexes of what can be found, and what can be read on."""

    def __init__(self, sandbox: Sandbox, results: Results) -> None:
        self._sandbox = sandbox
        self._results = results
        self._indexes: OrderedDict[tuple[str, str], Index] = OrderedDict()

    async def answer(self, view: ProfileView, principal: Principal, tool: Tool, arguments: bytes, call: Call) -> bytes:
        """The result of one of the hub's own tools; `call(name, arguments)` calls another tool of the profile.

        Raises Refusal.
        """
        given = _Arguments(tool.name, _given(arguments))
        match tool.meta:
            case "find_tools":
                return self._find(view, principal, given)
            case "describe_tool":
                return _describe(view, principal, given)
            case "list_resources":
                return resources_page(view, principal, given.text("search", ""), given.number("offset", 0, 1 << 30))
            case "read_result":
                text = self._results.find(principal.id, view.name, given.text("id"))
                return _text(page_of(text, given.number("offset", 0, 1 << 30), given.number("limit", 20_000, 200_000)))
            case "grep_result":
                text = self._results.find(principal.id, view.name, given.text("id"))
                return _text(grep_text(text, given.text("pattern"), given.number("context", 0, 20)))
            case "run_program":
                return await self._run(view, principal, given.text("program"), call)
            case _:  # `inner_call` has taken the place of every other call that its schema lets through
                raise Malformed("malformed", f"The arguments of {tool.name} cannot be read.")

    def fit(self, view: ProfileView, principal: Principal, target: Target, result: bytes) -> bytes:
        """A tool's result that is not longer than the profile allows; the rest of a longer one is kept for its caller."""
        most = view.max_results.get(target.server)
        if most is None:
            return result

        def keep(text: str) -> str:
            return self._results.keep(principal.id, view.name, text)

        has_schema = target.tool is not None and b'"outputSchema"' in target.tool.definition
        return fitted(result, most, keep, has_schema=has_schema)

    def as_tool(self, view: ProfileView, principal: Principal, server: str, result: bytes) -> bytes:
        """What was read of a resource as the result of the tool that read it, no longer than the profile allows."""
        return self.fit(view, principal, Target(server, "read_resource"), as_tool_result(result))

    def kept(self, view: ProfileView, principal: Principal, key: str) -> bytes:
        """The result of reading a kept text as a resource. Raises NotFound."""
        text = self._results.find(principal.id, view.name, key)
        return _encode({"contents": [{"uri": f"hub-result://{key}", "mimeType": "text/plain", "text": text}]})

    def _find(self, view: ProfileView, principal: Principal, given: "_Arguments") -> bytes:
        whole = view.whole or view
        key = (view.name, whole.digest)
        index = self._indexes.pop(key, None) or index_of(whole.tools.values())
        self._indexes[key] = index
        if len(self._indexes) > _MOST_INDEXES:
            self._indexes.popitem(last=False)
        limit = given.number("limit", 8, 50) or 8
        found = [tool for tool in index.find(given.text("query"), len(index.tools)) if whole.allows(principal, tool)][
            :limit
        ]
        if "run_program" in view.tools:
            names = {tool.name: name for name, tool in function_names(whole.visible(principal)).items()}
            return _text("\n\n".join(stub(names[tool.name], tool) for tool in found) or _nothing(whole, principal))
        lines = [{"name": tool.name, "description": _about(tool), "arguments": _arguments(tool)} for tool in found]
        text = "\n\n".join(_line(one) for one in lines) or _nothing(whole, principal)
        return _encode(
            {"content": [{"type": "text", "text": text}], "structuredContent": {"tools": lines}, "isError": False}
        )

    async def _run(self, view: ProfileView, principal: Principal, program: str, call: Call) -> bytes:
        functions = function_names((view.whole or view).visible(principal))
        made: list[dict[str, Any]] = []

        async def carry_out(function: str, arguments: bytes) -> bytes:
            tool = functions.get(function)
            if tool is None:
                raise CallFailed(f"there is no tool '{function}'")
            begun = time.monotonic()
            failure = ""
            try:
                value, failure = _value(await call(tool.name, arguments))
            except Refusal as refusal:
                value, failure = b"null", refusal.message
            made.append({"tool": tool.name, "ok": not failure, "ms": round((time.monotonic() - begun) * 1000)})
            if failure:
                raise CallFailed(failure)
            return value

        outcome = await self._sandbox.run(program, list(functions), carry_out)
        value = bytes(outcome.value)
        parts = [outcome.printed.rstrip()] if outcome.printed else []
        if outcome.error:
            parts.append(f"The program failed: {outcome.error}")
        elif value != b"null" or not parts:
            parts.append(value.decode("utf-8", "replace"))
        structured = {"result": msgspec.Raw(value), "printed": outcome.printed, "calls": made}
        if outcome.error:
            structured["error"] = outcome.error
        content = [{"type": "text", "text": "\n".join(parts)}]
        return _encode({"content": content, "structuredContent": structured, "isError": bool(outcome.error)})


def inner_call(view: ProfileView, call: ToolCall) -> ToolCall:
    """What is called by `call_tool`, or read by `read_resource`; the call itself where it is of any other tool.

    So it is, too, where its arguments are not well-formed.
    """
    tool = view.tools.get(call.tool) if call.method == "tools/call" else None
    if tool is None or tool.meta not in ("call_tool", "read_resource"):
        return call
    try:
        members = _object.decode(call.arguments)
        wanted = msgspec.json.decode(members.get("name" if tool.meta == "call_tool" else "uri", b"null"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return call
    inner = bytes(members.get("arguments", b"{}"))
    if not isinstance(wanted, str) or not inner.startswith((b"{", b"null")):
        return call
    if tool.meta == "read_resource":
        return structs.replace(call, tool=f"resources/{wanted}", arguments=b"{}", method="resources/read")
    named = structs.replace(call, tool=wanted, arguments=inner if inner.startswith(b"{") else b"{}")
    return inner_call(view, named) if wanted == "read_resource" else named


def _given(arguments: bytes) -> dict[str, Any]:
    try:
        return _anything.decode(arguments)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("malformed", f"The arguments cannot be read: {error}") from None


class _Arguments:
    """Arguments of one of the hub's own tools, checked as they are taken."""

    def __init__(self, tool: str, given: Mapping[str, Any]) -> None:
        self._tool = tool
        self._given = given

    def text(self, name: str, default: str | None = None) -> str:
        value = self._given.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise Malformed("malformed", f"{self._tool} needs {name}, a text.")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        value = self._given.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise Malformed("malformed", f"{name} is a whole number of at most {most}.")
        return value


def _describe(view: ProfileView, principal: Principal, given: _Arguments) -> bytes:
    whole = view.whole or view
    tool = whole.find(given.text("name"))
    if tool is None or not whole.allows(principal, tool):
        raise NotFound("tool_not_found", f"There is no tool '{given.text('name')[:128]}'. Use find_tools.")
    return _encode(
        {
            "content": [{"type": "text", "text": tool.definition.decode("utf-8", "replace")}],
            "structuredContent": msgspec.Raw(tool.definition),
            "isError": False,
        }
    )


def _about(tool: Tool) -> str:
    text = _anything.decode(tool.definition).get("description")
    return " ".join(text.split())[:_MOST_ABOUT] if isinstance(text, str) else ""


def _arguments(tool: Tool) -> dict[str, Any]:
    """The arguments of a tool in short: name to type, with a star where it is needed."""
    schema = _anything.decode(tool.definition).get("inputSchema")
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return {}
    needed = schema.get("required")
    required: list[Any] = needed if isinstance(needed, list) else []
    return {
        name: f"{one.get('type', 'any') if isinstance(one, dict) else 'any'}{'*' if name in required else ''}"
        for name, one in schema["properties"].items()
    }


def _line(found: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{name}: {kind}" for name, kind in found["arguments"].items())
    return f"{found['name']}({arguments})\n  {found['description']}"


def _nothing(whole: ProfileView, principal: Principal) -> str:
    return f"No tool matches. There are {len(whole.visible(principal))}; try other words."


def _text(text: str) -> bytes:
    return _encode({"content": [{"type": "text", "text": text}], "isError": False})


def _value(reply: RpcReply) -> tuple[bytes, str]:
    """What a program gets for a tool's answer, as JSON, and why the call failed ('' when it did not)."""
    if reply.error is not None:
        error = _members_of(reply.error)
        return b"null", str(error.get("message", "the server answers with an error"))
    members = _object.decode(reply.result or b"{}")
    if bytes(members.get("resultType", b'"complete"')) != b'"complete"':
        return b"null", "the tool asks something of its caller: call it directly, not from a program"
    items = _blocks(members.get("content", b"[]"))
    texts = [str(one.get("text", "")) for one in items if one.get("type") == "text"]
    if bytes(members.get("isError", b"false")) == b"true":
        return b"null", "\n".join(texts) or "the tool reported an error"
    structured = bytes(members.get("structuredContent", b"null"))
    if structured != b"null":
        return structured, ""
    if len(texts) != len(items):
        return _encode(items), ""
    text = "\n".join(texts)
    try:
        if text[:1] in ("{", "["):
            msgspec.json.decode(text)
            return text.encode("utf-8", "replace"), ""
    except (msgspec.DecodeError, RecursionError):
        pass  # a text that only looks like JSON
    return _encode(text), ""


def _members_of(raw: bytes) -> dict[str, Any]:
    """The members of what a server said; none where it is no object that can be read."""
    try:
        return _anything.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _blocks(raw: bytes) -> list[dict[str, Any]]:
    """The blocks of a content; those of a content that cannot be read are none."""
    try:
        content = _contents.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return []
    return [cast("dict[str, Any]", one) for one in content if isinstance(one, dict)]
