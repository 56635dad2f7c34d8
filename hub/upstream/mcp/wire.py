"""JSON-RPC as MCP speaks it, on raw bytes: the envelope is read and written, what it carries is passed on untouched."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import DecodeError, Raw, Struct, json

from hub import __version__
from hub.upstream.mcp.values import MOST_RESULT, Era

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LATEST_HANDSHAKE = "2025-11-25"
MODERN_VERSIONS = ("2026-07-28",)
LATEST_MODERN = "2026-07-28"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
TOO_LARGE = "result_too_large"  # the code of a refusal: a message has more bytes than are read

META = "io.modelcontextprotocol/"
CLIENT_INFO = json.encode({"name": "agent-tool-hub", "title": "Agent tool hub", "version": __version__})
NO_CAPABILITIES = b"{}"

_NOTHING = Raw(b"")
_MOST_IN_BATCH = 100
# What one hop says about itself: the hub says its own, and never passes on the caller's.
_HOP = (f"{META}protocolVersion", f"{META}clientInfo", f"{META}clientCapabilities", f"{META}logLevel", "progressToken")


class Message(Struct, frozen=True):
    """One JSON-RPC message. A member that is absent is empty; `id`, `params`, `result` and `error` are raw JSON."""

    id: Raw = _NOTHING
    method: str = ""
    params: Raw = _NOTHING
    result: Raw = _NOTHING
    error: Raw = _NOTHING


class RpcError(Struct, frozen=True):
    """The `error` of an answer."""

    code: int = 0
    message: str = ""
    data: Raw = _NOTHING


class NotRpc(ValueError):
    """The bytes are no JSON-RPC message."""


Object = dict[str, Raw]

_message = json.Decoder(Message)
_batch = json.Decoder(list[Message])
_object = json.Decoder(Object)
_error = json.Decoder(RpcError)
_text = json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Speech:
    """How requests are put: the era, and the revision that they name."""

    era: Era
    version: str


HANDSHAKE = Speech(Era.LEGACY, "")  # before a revision is agreed


def parse(data: bytes) -> list[Message]:
    """The message in `data`, or the messages of a batch. Raises NotRpc."""
    try:
        if not data.isascii():
            data.decode("utf-8")
        if data.lstrip()[:1] == b"[":
            batch = _batch.decode(data)
            if len(batch) > _MOST_IN_BATCH:
                raise NotRpc(f"a batch of more than {_MOST_IN_BATCH} messages")
            return batch
        return [_message.decode(data)]
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotRpc(str(error)) from error


def parse_object(data: bytes) -> Object:
    """The members of a JSON object, each raw. Raises NotRpc."""
    try:
        return _object.decode(data or b"{}")
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotRpc(str(error)) from error


def parse_error(data: bytes) -> RpcError:
    """The code and message of an error, as far as it has them."""
    try:
        return _error.decode(data)
    except (DecodeError, RecursionError):
        return RpcError(0, "an error that is not one of JSON-RPC")


def parse_text(data: bytes) -> str:
    """The string in `data`, or "" when it is no string."""
    try:
        return _text.decode(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def progress_token(params: bytes) -> Raw | None:
    """The token under which the sender of these params wants to hear of progress."""
    try:
        return parse_object(bytes(parse_object(params).get("_meta", b""))).get("progressToken")
    except NotRpc:
        return None


def number_of(message_id: bytes) -> int | None:
    """The id of one of the hub's requests, also when a server gives it back as a string."""
    digits = bytes(message_id).strip(b'"')
    return int(digits) if digits.isdigit() and len(digits) < 20 else None


def number_in(head: bytes) -> int | None:
    """The id of the answer that begins with `head`, though not all of it is there, or it cannot be read."""
    if not head.lstrip().startswith(b"{") or b'"jsonrpc"' not in head:
        return None
    _, found, rest = head.partition(b'"id":')
    return number_of(rest.lstrip().split(b",")[0].strip(b" }")) if found else None


def request(number: int, method: str, params: bytes) -> bytes:
    """A request."""
    return b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (number, json.encode(method), params)


def notification(method: str, params: bytes = b"") -> bytes:
    """A notification."""
    tail = b',"params":' + params if params else b""
    return b'{"jsonrpc":"2.0","method":%b%b}' % (json.encode(method), tail)


def cancelled(number: int) -> bytes:
    """The notification that nobody waits for the answer to request `number` any more."""
    return notification("notifications/cancelled", b'{"requestId":%d,"reason":"the caller left"}' % number)


def result(message_id: bytes, value: bytes) -> bytes:
    """The answer to a server's request."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (message_id, value)


def error(message_id: bytes, code: int, text: str) -> bytes:
    """The refusal of a server's request."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (message_id, json.encode({"code": code, "message": text}))


def error_raw(message_id: bytes, value: bytes) -> bytes:
    """The refusal of a server's request, as the caller put it."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (message_id, value)


def dressed(
    params: bytes, speech: Speech, number: int | None, capabilities: bytes = NO_CAPABILITIES, log_level: str = ""
) -> tuple[bytes, Raw | None]:
    """The params of a request, put as `speech` asks for, and the caller's own progress token.

    What the hub says of itself goes in, with what the caller can do; what the caller said to the hub stays behind,
    everything else is as it was. Whoever asked for progress gets it under `number`; None when they could not be
    told. Raises NotRpc.
    """
    members = parse_object(params)
    meta = parse_object(bytes(members.pop("_meta", b"")))
    token = meta.get("progressToken")
    for key in _HOP:
        meta.pop(key, None)
    if token is not None and number is not None:
        meta["progressToken"] = Raw(b"%d" % number)
    if speech.era is Era.MODERN:
        meta[_HOP[0]] = Raw(b'"%b"' % speech.version.encode())
        meta[_HOP[1]] = Raw(CLIENT_INFO)
        meta[_HOP[2]] = Raw(capabilities)
        if log_level:
            meta[_HOP[3]] = Raw(json.encode(log_level))
    if meta:
        members["_meta"] = Raw(encode_object(meta))
    return encode_object(members), token


def encode_object(members: Mapping[str, Raw]) -> bytes:
    """A JSON object of raw members."""
    return json.encode(members)


def too_large(most: int) -> str:
    """What is wrong with a message of more than `most` bytes."""
    remedy = "" if most > MOST_RESULT else "; ask for less, or let max_result of the profile shorten it"
    return f"its answer has more than {most >> 20} MiB{remedy}"
