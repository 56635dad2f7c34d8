"""Rounds of a modern request, driven for a caller of the old era: the server's questions are put to them one by one."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, json

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.capabilities import lacks
from hub.upstream.mcp.values import CallerContext, Era, RpcReply
from hub.upstream.mcp.wire import MISSING_CAPABILITY, NotRpc, encode_object, parse_object, parse_text

MOST_ROUNDS = 16
MOST_QUESTIONS = 16
_PAUSE = 0.5  # seconds before a request is sent again whose server only wanted time
# What the specification forbids to ask for in a form, which the client sees: names and titles of its fields, in words.
_SECRET = re.compile(
    r"\b(?:pass ?(?:word|phrase|code)|passwd|(?:api|access|private|secret) key|(?:access|auth|bearer|refresh) token"
    r"|client secret|(?:credit )?card number|cvv|cvc)\b"
)
_WORDS = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")
_CANCELLED = Raw(b'{"action":"cancel"}')


class Required(Struct, frozen=True, rename="camel"):
    """A result that is none yet: what the server asks, and the state that it wants back."""

    result_type: str = "complete"
    input_requests: dict[str, Raw] = {}
    request_state: str | UnsetType = UNSET


class _Question(Struct, frozen=True):
    method: str
    params: Raw = Raw(b"{}")


_required = json.Decoder(Required)
_question = json.Decoder(_Question)


def required(reply: RpcReply) -> Required | None:
    """What an interim result asks; None when the reply is no such result. Raises UpstreamFailed."""
    if reply.result is None or b'"input_required"' not in reply.result:
        return None
    try:
        found = _required.decode(reply.result)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("upstream_protocol", f"its interim result cannot be read: {error}") from error
    if found.result_type != "input_required":
        return None
    if (not found.input_requests and found.request_state is UNSET) or len(found.input_requests) > MOST_QUESTIONS:
        raise UpstreamFailed("upstream_protocol", "its interim result asks nothing, or too much")
    return found


async def driven(send: Callable[[bytes], Awaitable[RpcReply]], params: bytes, caller: CallerContext) -> RpcReply:
    """The final answer to a request; interim ones are answered by the caller. Raises UpstreamFailed and NotRpc."""
    members = parse_object(params)
    for _ in range(MOST_ROUNDS):
        reply = await send(encode_object(members))
        asked = required(reply)
        if asked is None:
            return reply
        missing = _missing(asked, caller)
        if missing or (asked.input_requests and caller.ask is None):
            return RpcReply(error=missing_error(missing or "elicitation"), era=Era.MODERN)
        if not asked.input_requests:
            await asyncio.sleep(_PAUSE)
        answers = await asyncio.gather(*(_answer(raw, caller) for raw in asked.input_requests.values()))
        refusal = next((one.error for one in answers if one.error is not None), None)
        if refusal is not None:
            return RpcReply(error=refusal, era=Era.LEGACY)
        results = {key: Raw(one.result or b"{}") for key, one in zip(asked.input_requests, answers, strict=True)}
        members["inputResponses"] = Raw(encode_object(results))
        members.pop("requestState", None)
        if asked.request_state is not UNSET:
            members["requestState"] = Raw(json.encode(asked.request_state))
    raise UpstreamFailed("upstream_protocol", f"it asked for more than {MOST_ROUNDS} rounds of answers")


def askable(reply: RpcReply, caller: CallerContext) -> RpcReply:
    """The reply, for a modern caller; an error where it asks what that caller cannot answer. Raises UpstreamFailed."""
    asked = required(reply)
    missing = _missing(asked, caller) if asked is not None else ""
    return RpcReply(error=missing_error(missing), era=Era.MODERN) if missing else reply


def _missing(asked: Required, caller: CallerContext) -> str:
    """The capability that the caller lacks for what is asked. Raises UpstreamFailed: it may not be asked of anybody."""
    for raw in asked.input_requests.values():
        check_question(*question_of(bytes(raw)))
    return next((lack for raw in asked.input_requests.values() if (lack := _lack(raw, caller))), "")


def check_question(method: str, params: bytes) -> None:
    """Raise UpstreamFailed for what may be asked of nobody: a secret in a form, or to go elsewhere than to a web page."""
    if method != "elicitation/create":
        return
    if not mode_of(params):
        asked = next((name for name in _fields(params) if _SECRET.search(" ".join(_WORDS.split(name)).lower())), "")
        if asked:
            raise UpstreamFailed(
                "upstream_protocol", f"it asks for '{asked[:64]}' in a form, which only a page of its own may"
            )
        return
    url = parse_text(bytes(parse_object(params).get("url", b"")))
    if not url.lower().startswith(("https://", "http://")) or not url.isprintable():
        raise UpstreamFailed("upstream_protocol", "it wants to send its user to an address that is no web page")


def _fields(params: bytes) -> list[str]:
    """Names and titles of the texts that a form asks for, where it offers none to choose from."""
    try:
        properties = parse_object(bytes(parse_object(bytes(parse_object(params)["requestedSchema"]))["properties"]))
        fields = {name: parse_object(bytes(raw)) for name, raw in properties.items()}
    except (NotRpc, KeyError):
        return []
    texts = {
        name: one for name, one in fields.items() if bytes(one.get("type", b"")) == b'"string"' and "enum" not in one
    }
    return [*texts, *(parse_text(bytes(one.get("title", b""))) for one in texts.values())]


def missing_error(capability: str) -> bytes:
    """The error for a caller whose client lacks what a server needs."""
    wanted: object = {}
    for part in reversed(capability.split(".")):
        wanted = {part: wanted}
    message = f"This needs a client that supports {capability}, which yours did not declare."
    return json.encode({"code": MISSING_CAPABILITY, "message": message, "data": {"requiredCapabilities": wanted}})


def question_of(raw: bytes) -> tuple[str, bytes]:
    """Method and params of a question. Raises UpstreamFailed."""
    try:
        question = _question.decode(raw)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("upstream_protocol", f"its question cannot be read: {error}") from error
    return question.method, bytes(question.params)


def mode_of(params: bytes) -> str:
    """The mode of an elicitation: `url`, or "" for a form."""
    try:
        mode = parse_text(bytes(parse_object(params).get("mode", b"")))
    except NotRpc:
        return ""
    return mode if mode == "url" else ""


def _lack(raw: Raw, caller: CallerContext) -> str:
    method, params = question_of(bytes(raw))
    return lacks(caller.capabilities, method, mode_of(params))


async def _answer(raw: Raw, caller: CallerContext) -> RpcReply:
    method, params = question_of(bytes(raw))
    assert caller.ask is not None
    if method == "elicitation/create" and mode_of(params):
        params = with_elicitation_id(params)
    reply = await caller.ask(method, params)
    if reply.error is not None and method == "elicitation/create":
        return RpcReply(result=bytes(_CANCELLED))
    return reply


def with_elicitation_id(params: bytes) -> bytes:
    """The params of a URL elicitation as the old era has them: with an id, which the modern one does not know."""
    members = parse_object(params)
    members.setdefault("elicitationId", Raw(json.encode(secrets.token_urlsafe(12))))
    return encode_object(members)
