"""JSON-RPC as clients send it: read the envelope, leave what it carries as raw JSON."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from hub.core.nesting import is_deeper

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
REFUSED = -32000
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
RESOURCE_NOT_FOUND = -32002

MAX_BATCH = 50
MAX_DEPTH = 72  # of a whole message; the arguments of a call have a bound of their own
_ID = re.compile(rb'-?\d{1,18}|"(?:[^"\\]|\\.){0,256}"')
_members = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)

Object = dict[str, Raw]
Headers = Sequence[tuple[bytes, bytes]]
_NONE: Object = {}


class RpcFault(Exception):
    """An answer that is an error: JSON-RPC code, HTTP status of the modern era, and `data` as JSON.

    `raw` is the whole error as a server gave it, where it is relayed; `id` the id of the request, where it is
    known; `headers` go with the HTTP response.
    """

    def __init__(
        self, code: int, message: str, *, status: int = 400, data: Any = None, raw: bytes = b"", headers: Headers = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data
        self.raw = raw
        self.headers = headers
        self.id = b""


class Message(Struct, frozen=True):
    """One message of a client. `id` is raw JSON, empty for a notification; `method` is empty for a response.

    `meta` are the members of `params._meta`, empty when there is none. `result` and `error` are those of a response.
    """

    id: bytes
    method: str
    params: Object = field(default_factory=dict[str, Raw])
    meta: Object = field(default_factory=dict[str, Raw])
    result: bytes = b""
    error: bytes = b""

    @property
    def is_request(self) -> bool:
        """Whether it wants an answer."""
        return bool(self.id and self.method)

    def text(self, name: str) -> str:
        """A member of params that must be text. Raises RpcFault -32602."""
        try:
            return _text.decode(bytes(self.params[name]))
        except (KeyError, msgspec.DecodeError):
            raise RpcFault(INVALID_PARAMS, f"params.{name} is a text.") from None


def object_of(raw: Raw | None) -> Object:
    """The members of a JSON object; empty for anything else."""
    if raw is None:
        return {}
    try:
        return _members.decode(bytes(raw))
    except msgspec.DecodeError:
        return {}


def text_of(raw: Raw | None) -> str:
    """A JSON text; empty for anything else."""
    if raw is None:
        return ""
    try:
        return _text.decode(bytes(raw))
    except msgspec.DecodeError:
        return ""


def is_object(raw: Raw | None) -> bool:
    """Whether this is a JSON object."""
    return raw is not None and bytes(raw).startswith(b"{")


def parse(body: bytes) -> tuple[list[Message], bool]:
    """The messages in a body, and whether they came as a batch. Raises RpcFault."""
    try:
        if not body.isascii():
            body.decode()  # what is relayed raw is not looked at again
        stripped = body.lstrip()
        if stripped.startswith(b"["):
            items = _items.decode(stripped)
            _check_depth(stripped)
            return _batch(items), True
        members = _members.decode(stripped)
        _check_depth(stripped)
        return [_message(members)], False
    except msgspec.ValidationError:
        raise RpcFault(INVALID_REQUEST, "A JSON-RPC message is a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RpcFault(PARSE_ERROR, "The body is not JSON in UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> RpcFault:
    return RpcFault(INVALID_REQUEST, f"The message is nested more than {MAX_DEPTH} levels deep.")


def _check_depth(body: bytes) -> None:
    if is_deeper(body, MAX_DEPTH):
        raise _too_deep()


def _batch(items: list[Raw]) -> list[Message]:
    if not 1 <= len(items) <= MAX_BATCH:
        raise RpcFault(INVALID_REQUEST, f"A batch holds 1 to {MAX_BATCH} messages.")
    try:
        return [_message(_members.decode(bytes(item))) for item in items]
    except RpcFault as fault:
        fault.id = b""  # the whole batch is refused, not this one
        raise


def _message(members: Object) -> Message:
    identifier = bytes(members.get("id", b""))
    if identifier and not _ID.fullmatch(identifier):
        raise RpcFault(
            INVALID_REQUEST, "An id is a text of at most 256 characters, or a whole number of at most 18 digits."
        )
    try:
        return _read(members, identifier)
    except RpcFault as fault:
        fault.id = identifier
        raise


def _read(members: Object, identifier: bytes) -> Message:
    if bytes(members.get("jsonrpc", b"")) != b'"2.0"':
        raise RpcFault(INVALID_REQUEST, 'A JSON-RPC message says "jsonrpc": "2.0".')
    method = members.get("method")
    if method is None:
        if "result" in members or "error" in members:
            return Message(
                identifier, "", _NONE, _NONE, bytes(members.get("result", b"")), bytes(members.get("error", b""))
            )
        raise RpcFault(INVALID_REQUEST, "A message has a method, a result or an error.")
    name = text_of(method)
    if not name or len(name) > 128:
        raise RpcFault(INVALID_REQUEST, "A method is a text of at most 128 characters.")
    params = members.get("params")
    if params is None or bytes(params) == b"null":
        return Message(identifier, name, _NONE, _NONE)
    if not is_object(params):
        raise RpcFault(INVALID_PARAMS, "params is a JSON object.")
    read = _members.decode(bytes(params))
    return Message(identifier, name, read, object_of(read.get("_meta")))


def result_bytes(identifier: bytes, result: bytes) -> bytes:
    """A response that carries a result."""
    return b'{"jsonrpc":"2.0","id":' + identifier + b',"result":' + result + b"}"


def fault_bytes(identifier: bytes, fault: RpcFault) -> bytes:
    """A response for a fault."""
    error = fault.raw
    if not error:
        members: dict[str, Any] = {"code": fault.code, "message": fault.message}
        if fault.data is not None:
            members["data"] = fault.data
        error = msgspec.json.encode(members)
    return b'{"jsonrpc":"2.0","id":' + (identifier or b"null") + b',"error":' + error + b"}"


def request_bytes(identifier: bytes, method: str, params: bytes) -> bytes:
    """A request of the hub's own."""
    head = b'{"jsonrpc":"2.0","id":' + identifier + b',"method":' + msgspec.json.encode(method)
    return head + b',"params":' + (params or b"{}") + b"}"


def notification_bytes(method: str, params: bytes) -> bytes:
    """A notification."""
    return b'{"jsonrpc":"2.0","method":' + msgspec.json.encode(method) + b',"params":' + (params or b"{}") + b"}"


def event(data: bytes, event_id: bytes = b"") -> bytes:
    """One event of a stream. JSON may hold line breaks between its members, which would end the event."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    if event_id:
        return b"event: message\nid: %b\ndata: %b\n\n" % (event_id, data)
    return b"event: message\ndata: " + data + b"\n\n"
