"""Bedrock's paths: the model stands in them, and a stream leaves in Amazon's frames."""

from collections.abc import AsyncIterator, Awaitable, Mapping

from hub.core.calls import Dialect, Reply
from hub.core.refusal import NotFound, Unauthenticated
from hub.dialect import bedrock_kind, framed
from hub.edge.credentials import SIGNED
from hub.edge.gemini_paths import Aim

PREFIX = "/model/"
_METHODS: Mapping[str, bool] = {"converse": False, "converse-stream": True}


def aim_of(path: str) -> Aim:
    """What the path of a call asks for. Raises NotFound."""
    model, _, method = path.removeprefix(PREFIX).rpartition("/")
    if method not in _METHODS or not model:
        raise NotFound("not_found", f"There is no {path[:100]}. Known here: {PREFIX}MODEL/{{{','.join(_METHODS)}}}.")
    return Aim(Dialect.BEDROCK, model, _METHODS[method])


def check_unsigned(headers: Mapping[bytes, bytes]) -> None:
    """Raise Unauthenticated when a request is signed and names no key: the hub has no secret to check it by."""
    if headers.get(b"authorization", b"").startswith(SIGNED.encode()) and b"x-hub-key" not in headers:
        raise Unauthenticated(
            "missing_key",
            "This request is signed for Amazon. Set AWS_BEARER_TOKEN_BEDROCK to your hub key, or send it in 'x-hub-key'.",
        )


async def in_frames(answer: Awaitable[Reply]) -> Reply:
    """The reply as Amazon's clients read it: a stream in frames, an error with its type. Raises what `answer` raises."""
    reply = await answer
    if reply.chunks is not None:
        headers = {**reply.headers, "content-type": "application/vnd.amazon.eventstream"}
        return Reply(reply.status, headers, chunks=_framed(reply.chunks), held=reply.held)
    if reply.status >= 400 and "x-amzn-errortype" not in reply.headers:
        return reply.with_headers({"x-amzn-errortype": bedrock_kind(reply.status)})
    return reply


async def _framed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        frames = framed(chunk)
        if frames:
            yield frames
