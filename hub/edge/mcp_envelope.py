"""JSON-RPC as clients send it: read the envelope, leave what it carries as raw JSON."""

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

MAX_BATCH = 50
_ID = re.compile(rb'-?\d{1,18}|"(?:[^"\\]|\\.){0,256}"')
_members = msgspec.json.Decoder(dict[str, Raw])
_any = msgspec.json.Decoder()
_text = msgspec.json.Decoder(str)

Object = dict[str, Raw]


class RpcFault(Exception):
    """An answer that is an error: JSON-RPC code, HTTP status, and `data` as JSON."""

    def __init__(self, code: int, message: str, *, status: int = 400, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client. `id` is raw JSON, empty for a notification; `method` is empty for a response."""

    id: bytes
    method: str
    params: Object = field(default_factory=dict[str, Raw])

    @property
    def is_request(self) -> bool:
        """Whether it wants an answer."""
        return bool(self.id and self.method)

    @property
    def meta(self) -> Object:
        """The members of `params._meta`; empty when there is none."""
        return object_of(self.params.get("_meta"))

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


def parse(body: bytes) -> tuple[list[Message], bool]:
    """The messages in a body, and whether they came as a batch. Raises RpcFault."""
    try:
        stripped = body.lstrip()
        if not stripped.startswith(b"["):
            return [_message(_members.decode(stripped))], False
        items = msgspec.json.decode(stripped, type=list[Raw])
        if not 1 <= len(items) <= MAX_BATCH:
            raise RpcFault(INVALID_REQUEST, f"A batch holds 1 to {MAX_BATCH} messages.")
        return [_message(_members.decode(bytes(item))) for item in items], True
    except (msgspec.ValidationError, UnicodeDecodeError):
        raise RpcFault(INVALID_REQUEST, "A JSON-RPC message is a JSON object.") from None
    except (msgspec.DecodeError, RecursionError):
        raise RpcFault(PARSE_ERROR, "The body is not JSON.") from None


def _message(members: Object) -> Message:
    if bytes(members.get("jsonrpc", Raw(b""))) != b'"2.0"':
        raise RpcFault(INVALID_REQUEST, 'A JSON-RPC message says "jsonrpc": "2.0".')
    identifier = bytes(members.get("id", Raw(b"")))
    if identifier and not _ID.fullmatch(identifier):
        raise RpcFault(INVALID_REQUEST, "An id is a text or a whole number.")
    method = members.get("method")
    if method is None:
        if "result" in members or "error" in members:
            return Message(identifier, "")
        raise RpcFault(INVALID_REQUEST, "A message has a method, a result or an error.")
    name = text_of(method)
    if not name or len(name) > 128:
        raise RpcFault(INVALID_REQUEST, "A method is a text.")
    params = members.get("params")
    if params is None or bytes(params) == b"null":
        return Message(identifier, name)
    if not bytes(params).startswith(b"{"):
        raise RpcFault(INVALID_PARAMS if identifier else INVALID_REQUEST, "params is a JSON object.")
    return Message(identifier, name, _members.decode(bytes(params)))


def result_bytes(identifier: bytes, result: bytes) -> bytes:
    """A response that carries a result."""
    return b'{"jsonrpc":"2.0","id":' + identifier + b',"result":' + result + b"}"


def error_bytes(identifier: bytes, error: bytes) -> bytes:
    """A response that carries an error, given as raw JSON."""
    return b'{"jsonrpc":"2.0","id":' + (identifier or b"null") + b',"error":' + error + b"}"


def fault_bytes(identifier: bytes, fault: RpcFault) -> bytes:
    """A response for a fault."""
    error: dict[str, Any] = {"code": fault.code, "message": fault.message}
    if fault.data is not None:
        error["data"] = fault.data
    return error_bytes(identifier, msgspec.json.encode(error))


def notification_bytes(method: str, params: bytes) -> bytes:
    """A notification."""
    return b'{"jsonrpc":"2.0","method":' + msgspec.json.encode(method) + b',"params":' + (params or b"{}") + b"}"


def event(data: bytes) -> bytes:
    """One event of a stream."""
    return b"event: message\ndata: " + data + b"\n\n"
