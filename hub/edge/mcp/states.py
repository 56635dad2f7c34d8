"""Rounds of modern requests: what a server, or the hub, wants back with the next one goes out sealed to the caller."""

import contextlib
import hashlib

import msgspec
from msgspec import Raw

from hub.core.principal import Principal
from hub.core.seals import Broken, Seals
from hub.edge.mcp.envelope import INVALID_PARAMS, Message, Object, RpcFault, is_object
from hub.profile import Kind, ProfileView
from hub.tool_path import Visit
from hub.upstream import AGREED, Resume

STATE_SECONDS = 900.0  # longer than any call is parked
_OWN, _SERVERS = "h", "s"  # whose state it is: the hub's, or the server's
_PARKED = "parked:"
_AT = "@"
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.encode


def bound_to(visit: Visit, message: Message, target: str) -> bytes:
    """What a state is good for: this principal, profile, method, target and arguments, and nothing else."""
    arguments = bytes(message.params.get("arguments", b"{}"))
    with contextlib.suppress(msgspec.DecodeError, RecursionError):  # numbers beyond any float: byte for byte
        arguments = _encode(msgspec.json.decode(arguments), order="deterministic")
    parts = (visit.principal.id, visit.view.name, message.method, target)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass") + b"\0" + arguments).digest()


def sealed(seals: Seals, bound: bytes, members: Object, *, own: bool, home: str = "") -> None:
    """Seal the state of an interim result, in place; of a parked call with its `home`. One without a state has none."""
    state = members.get("requestState")
    if state is None:
        return
    try:
        value = _text.decode(bytes(state))
    except msgspec.DecodeError:
        del members["requestState"]
        return
    kind = _OWN if own else _SERVERS
    if own and home and value.startswith(_PARKED):
        value += _AT + home
    members["requestState"] = Raw(_encode(seals.seal(bound, kind + value, STATE_SECONDS)))


def opened(seals: Seals, bound: bytes, params: Object) -> tuple[Object, Resume | None]:
    """The params of a request as its server is to get them, and the parked call that it goes on with, if it does.

    Raises RpcFault -32602 when the state is not one that was given out for this request.
    """
    state, responses = params.get("requestState"), params.get("inputResponses")
    if responses is not None and not is_object(responses):
        raise RpcFault(INVALID_PARAMS, "params.inputResponses is an object.")
    if state is None:
        return params, None
    try:
        value = seals.open(bound, _text.decode(bytes(state)))
    except (Broken, msgspec.DecodeError):
        gone = (
            "params.requestState is not what this request was given, or has expired. Send the request anew, without it."
        )
        raise RpcFault(INVALID_PARAMS, gone) from None
    kept = {name: raw for name, raw in params.items() if name != "requestState"}
    if value[:1] == _SERVERS:
        return {**kept, "requestState": Raw(_encode(value[1:]))}, None
    if value[1:] == AGREED:
        return kept, Resume("")
    kept.pop("inputResponses", None)
    if not value[1:].startswith(_PARKED):
        return kept, None  # the same request once more
    return kept, Resume(value[1 + len(_PARKED) :].partition(_AT)[0], bytes(responses or b"{}"))


def cursors_of(visit: Visit, kind: Kind) -> bytes:
    """What a cursor is good for: this list, of this profile, for this principal."""
    return f"cursor\0{visit.principal.id}\0{visit.view.name}\0{kind}".encode("utf-8", "surrogatepass")


def read_on(seals: Seals, bound: bytes, params: Object) -> str:
    """Behind which item a list is read on; "" from its beginning. Raises RpcFault -32602 for what is no cursor of it."""
    cursor = params.get("cursor")
    if cursor is None or bytes(cursor) == b"null":
        return ""
    try:
        return seals.named(bound, _text.decode(bytes(cursor)))
    except (Broken, msgspec.DecodeError):
        message = "params.cursor is not one that this list gave out. Read the list from its beginning, without it."
        raise RpcFault(INVALID_PARAMS, message) from None


def home_of(seals: Seals, bound: bytes, params: Object) -> str:
    """The address of the replica where the call of a state is parked; "" for none, or a state that is no good."""
    try:
        value = seals.open(bound, _text.decode(bytes(params.get("requestState", b"null"))))
    except (Broken, msgspec.DecodeError):
        return ""
    return value.partition(_AT)[2] if value.startswith(_OWN + _PARKED) else ""


def task_bound(view: ProfileView, principal: Principal) -> bytes:
    """What a task's public id is good for: this principal at this profile."""
    return f"{principal.id}\0{view.name}".encode("utf-8", "surrogatepass")


def public_task(seals: Seals, visit: Visit, server: str, own: str) -> str:
    """The id under which a principal knows a server's task."""
    return seals.name(task_bound(visit.view, visit.principal), f"{server}\0{own}")


def own_task(seals: Seals, visit: Visit, public: str) -> tuple[str, str]:
    """Server and own id of a task. Raises RpcFault -32602."""
    try:
        server, _, own = seals.named(task_bound(visit.view, visit.principal), public).partition("\0")
    except Broken:
        raise RpcFault(INVALID_PARAMS, "There is no such task.", data={"code": "task_not_found"}) from None
    if server not in visit.view.readable:
        raise RpcFault(INVALID_PARAMS, "There is no such task any more.", data={"code": "task_not_found"})
    return server, own
