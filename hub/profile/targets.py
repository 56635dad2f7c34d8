"""Where a call leads: the server, what it is asked there, and the name under which the call is written down."""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw, Struct

from hub.core.calls import ToolCall
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Malformed, NotFound
from hub.profile.offers import object_of
from hub.profile.view import Address, Item, ProfileView, Tool

_encode = msgspec.json.encode
_text = msgspec.json.Decoder(str)


Params = Callable[[bytes, bytes], bytes]


def _none(arguments: bytes, meta: bytes) -> bytes:
    return b"{}"


class Target(Struct, frozen=True):
    """One request to a server. `label` names what is asked for in the ledger and to rules.

    `grant` is what the caller needs a grant for; "" for what was granted before. `params(arguments, meta)` makes what
    the server gets of the arguments, as they were let through, and of the `_meta` that goes with them. What has no
    server is the hub's own.
    """

    server: str
    label: str
    grant: str = ""
    params: Params = _none
    tool: Tool | None = None

    def check(self, principal: Principal) -> None:
        """Raise Forbidden `tool_not_allowed` unless the principal may have it."""
        if self.grant and not principal.may_use_tool(self.grant):
            raise _forbidden(self.grant)


def target_of(view: ProfileView, call: ToolCall) -> Target:
    """Where a call leads. Raises Refusal: `tool_not_found` and the like, `malformed`."""
    return _METHODS[call.method](view, call)


def _tool(view: ProfileView, call: ToolCall) -> Target:
    tool = view.find(call.tool)
    if tool is None:
        raise NotFound("tool_not_found", f"There is no tool '{call.tool[:128]}' in profile '{view.name}'.")
    grant = tool.grant if tool.server else ""
    return Target(tool.server, tool.own, grant, _named(tool.own, tool.filled, call.rest), tool)


def _prompt(view: ProfileView, call: ToolCall) -> Target:
    name = call.tool.removeprefix("prompts/")
    prompt = view.find_prompt(name)
    if prompt is None:
        raise NotFound("prompt_not_found", f"There is no prompt '{name[:128]}' in profile '{view.name}'.")
    return Target(prompt.server, f"prompts/{prompt.own}", prompt.grant, _named(prompt.own, prompt.filled, call.rest))


def _resource(view: ProfileView, call: ToolCall) -> Target:
    address = address_of(view, call.tool.removeprefix("resources/"))
    head = b'{"uri":' + _encode(address.own) + b',"_meta":'
    label = f"resources/{address.own}"
    return Target(address.server, label, address.grant, lambda arguments, meta: _closed(head + meta, call.rest))


def _completion(view: ProfileView, call: ToolCall) -> Target:
    """A completion's `ref` names a prompt or a template; it is passed on by its own name."""
    ref = object_of(bytes(object_of(call.rest).get("ref", b"")))
    if "uri" in ref:
        uri = _member(ref, "uri")
        template = view.templates.get(uri)
        place: Item | Address = template if template is not None else address_of(view, uri)
        ref["uri"] = Raw(_encode(place.own))
    else:
        name = _member(ref, "name")
        prompt = view.find_prompt(name)
        if prompt is None:
            raise NotFound("prompt_not_found", f"There is no prompt '{name[:128]}' in profile '{view.name}'.")
        place = prompt
        ref["name"] = Raw(_encode(prompt.own))
    rest = _encode({**object_of(call.rest), "ref": Raw(_encode(ref))})
    head = b'{"_meta":'
    return Target(
        place.server, f"completion/{place.own}", place.grant, lambda arguments, meta: _closed(head + meta, rest)
    )


_METHODS: dict[str, Callable[[ProfileView, ToolCall], Target]] = {
    "tools/call": _tool,
    "prompts/get": _prompt,
    "resources/read": _resource,
    "completion/complete": _completion,
}


def address_of(view: ProfileView, uri: str) -> Address:
    """Where a public URI leads. Raises NotFound `resource_not_found`."""
    address = view.find_resource(uri)
    if address is None:
        raise NotFound("resource_not_found", f"There is no resource '{uri[:256]}' in profile '{view.name}'.")
    return address


def _forbidden(grant: str) -> Forbidden:
    return Forbidden("tool_not_allowed", f"This key may not use '{grant[:300]}'. Ask for access to it.")


def _member(ref: Mapping[str, Raw], name: str) -> str:
    try:
        return _text.decode(bytes(ref[name]))
    except (KeyError, msgspec.DecodeError):
        raise Malformed("malformed", "params.ref names a prompt by its name, or a template by its uri.") from None


def _named(own: str, filled: Callable[[bytes], bytes], rest: bytes) -> Params:
    """Makes what the server gets: its own name, the arguments, the trace, and all else that the caller sent."""
    head = b'{"name":' + _encode(own) + b',"arguments":'

    def params(arguments: bytes, meta: bytes) -> bytes:
        return _closed(head + filled(arguments) + b',"_meta":' + meta, rest)

    return params


def _closed(head: bytes, rest: bytes) -> bytes:
    return _line(head + (b"}" if rest == b"{}" else b"," + rest[1:]))


def _line(params: bytes) -> bytes:
    """On one line: to a server over stdio, a line break would begin a message of the caller's own."""
    if b"\n" in params or b"\r" in params:
        return msgspec.json.format(params, indent=-1)
    return params
