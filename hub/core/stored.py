"""Responses that a provider keeps: what goes on with one has to go where it is kept."""

import re

from hub.core.calls import Dialect, ModelCall

LONGEST = 200
_LOOKED_AT = 65_536  # bytes of an answer that are searched for its id
_ID = re.compile(rb'"id"\s*:\s*"([\w.:-]{1,200})"')
_RESPONSE = re.compile(rb'"response"\s*:\s*\{')


def before(call: ModelCall) -> str:
    """Under which name it is remembered where the response is kept that a call goes on with; "" for one of its own."""
    if call.dialect is not Dialect.OPENAI_RESPONSES or "previous_response_id" not in call.places:
        return ""
    start, end = call.places["previous_response_id"]
    told = call.body[start:end]
    if not told.startswith(b'"') or end - start > LONGEST + 2:
        return ""
    return named(told[1:-1])


def made(answer: bytes, *, stream: bool) -> str:
    """The same for the response that an answer is, whole, or by the first events of its stream."""
    head = answer[:_LOOKED_AT]
    if stream:
        inner = _RESPONSE.search(head)
        head = head[inner.end() :] if inner is not None else b""
    found = _ID.search(head)
    return named(found[1]) if found is not None else ""


def named(response: bytes) -> str:
    """The name for a response's id."""
    return f"response\0{response.decode('latin-1')}"
