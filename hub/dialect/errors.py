"""A refusal in the words of each dialect: its error body, with our stable code and the request id."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hub.core.calls import Dialect
from hub.core.refusal import Refusal, Reported, UpstreamFailed
from hub.core.values import a_dict, a_list, a_number, a_text

# What vendors call an error of this status. Where one is missing, the class of the status decides.
_ANTHROPIC: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_GEMINI: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BEDROCK: Mapping[int, str] = {
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "ModelErrorException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
# A field that the message names, for OpenAI's `param`.
_FIELD = re.compile(r"\b[Ff]ield '([^']{1,64})'")


def _kind(refusal: Refusal, names: Mapping[int, str]) -> str:
    if refusal.code == "budget_exhausted":
        return "billing_error" if names is _ANTHROPIC else "insufficient_quota"
    return names.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "api_error")


def openai_error(refusal: Refusal, request_id: str) -> bytes:
    """The error body that OpenAI's clients read."""
    field = _FIELD.search(refusal.message) if refusal.status == 400 else None
    error = {
        "message": refusal.message,
        "type": _kind(refusal, _OPENAI),
        "param": field[1] if field else None,
        "code": refusal.code,
    }
    return msgspec.json.encode({"error": error, "request_id": request_id})


def anthropic_error(refusal: Refusal, request_id: str) -> bytes:
    """The error body that Anthropic's clients read."""
    error = {"type": _kind(refusal, _ANTHROPIC), "message": refusal.message, "code": refusal.code}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def gemini_error(refusal: Refusal, request_id: str) -> bytes:
    """The error body that Gemini's clients read."""
    reason = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": refusal.code,
        "domain": "hub",
        "metadata": {"request_id": request_id},
    }
    error = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _GEMINI.get(refusal.status, "UNKNOWN"),
        "details": [reason],
    }
    return msgspec.json.encode({"error": error})


def bedrock_kind(status: int, code: str = "") -> str:
    """What Amazon calls such an error. Money that is spent is no throttling: clients would try again."""
    if code == "budget_exhausted":
        return _BEDROCK[402]
    return _BEDROCK.get(status, "ValidationException" if status < 500 else "InternalServerException")


def bedrock_error(refusal: Refusal, request_id: str) -> bytes:
    """The error body that Amazon's clients read."""
    kind = bedrock_kind(refusal.status, refusal.code)
    told = {"__type": kind, "message": refusal.message, "code": refusal.code, "request_id": request_id}
    return msgspec.json.encode(told)


_BODIES: Mapping[Dialect, Callable[[Refusal, str], bytes]] = {
    Dialect.ANTHROPIC_MESSAGES: anthropic_error,
    Dialect.ANTHROPIC_COUNT: anthropic_error,
    Dialect.GEMINI: gemini_error,
    Dialect.GEMINI_COUNT: gemini_error,
    Dialect.BEDROCK: bedrock_error,
}


def error_body(dialect: Dialect, refusal: Refusal, request_id: str) -> bytes:
    """The refusal as the JSON body of an error reply in `dialect`."""
    return _BODIES.get(dialect, openai_error)(refusal, request_id)


_MOST_MESSAGE = 2000


def too_long(dialect: Dialect, message: str) -> tuple[str, str]:
    """What a provider says of a prompt that is too long, so that agents know it and shorten the conversation; and the code.

    Claude Code looks for these words in the message, Codex and others for this code.
    """
    if dialect in (Dialect.ANTHROPIC_MESSAGES, Dialect.ANTHROPIC_COUNT):
        known = "prompt is too long" in message.lower()
        return message if known else f"prompt is too long: {message}", "context_too_long"
    return message, "context_length_exceeded" if _BODIES.get(dialect) is None else "context_too_long"


# What any answer to a call in a dialect holds.
_HOLDS = {
    Dialect.OPENAI_CHAT: (b'"choices"',),
    Dialect.OPENAI_RESPONSES: (b'"output"', b'"status"'),
    Dialect.ANTHROPIC_MESSAGES: (b'"content"',),
    Dialect.GEMINI: (b'"candidates"', b'"promptFeedback"', b'"usageMetadata"'),
    Dialect.BEDROCK: (b'"output"',),
}


def check_answer(spoken: Dialect, body: bytes) -> None:
    """Raise UpstreamFailed where a JSON object is no answer in a dialect: Reported for an error that came as a success."""
    holds = _HOLDS.get(spoken)
    if holds is None or any(name in body for name in holds):
        return
    given = a_dict(msgspec.json.decode(body)) if is_json(body) else {}
    if not given.get("error") and not given.get("errors"):
        raise UpstreamFailed(
            "upstream_protocol", "The provider answered with a JSON object that is no answer to the call."
        )
    code = a_number(a_dict(given.get("error")).get("code")) or 0
    raise Reported(f"The provider answered with an error: {message_of(body)[0]}", code if 400 <= code < 600 else 502)


def message_of(body: bytes) -> tuple[str, str]:
    """What an error reply says, in any dialect, and its own code or type; the start of the body when it is no JSON."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = body[:_MOST_MESSAGE].decode(errors="replace").strip()
        return (text if text[:1] != "<" else "") or "The provider answered with an error and did not say why.", ""
    given = a_dict(next(iter(a_list(told)), None)) if isinstance(told, list) else a_dict(told)
    error = given.get("error")
    held = a_dict(error) or given
    message = a_text(held.get("message")) or a_text(held.get("Message")) or a_text(error) or a_text(held.get("detail"))
    code = a_text(held.get("code")) or a_text(held.get("type")) or a_text(held.get("status"))
    return message[:_MOST_MESSAGE] or "The provider answered with an error and did not say why.", code[:80]


def is_json(body: bytes) -> bool:
    """Whether a body is JSON."""
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
