"""Bodies that are no JSON: forms with a file, whose fields are read, transcripts as plain text, and sound, which is not."""

import msgspec

from hub.core.calls import Dialect, ModelCall
from hub.policy.guardrails import Screening

_NOT_READ = frozenset({"file", "model"})  # a recording, and what the access to it was decided by


async def screened_request(screening: Screening, call: ModelCall) -> bytes:
    """What a call of a model says, as it may go on. Raises as `Screening.screen` does."""
    if call.dialect is not Dialect.OPENAI_TRANSCRIPTIONS:
        return await screening.screen("input", call.body, model=call.model)
    places = sorted(place for name, place in call.places.items() if name not in _NOT_READ)
    told = [call.body[start:end].decode("utf-8", "replace") for start, end in places]
    screened = await screening.screen("input", msgspec.json.encode(told), model=call.model)
    parts: list[bytes] = []
    last = 0
    for (start, end), old, new in zip(places, told, msgspec.json.decode(screened, type=list[str]), strict=True):
        if new != old:
            parts += (call.body[last:start], new.encode())
            last = end
    return b"".join([*parts, call.body[last:]])


async def screened_answer(screening: Screening, dialect: Dialect, body: bytes) -> bytes:
    """What a model answered, whole, as the caller may have it. Raises as `Screening.screen` does."""
    if dialect is Dialect.OPENAI_SPEECH:
        return body
    if dialect is not Dialect.OPENAI_TRANSCRIPTIONS or body.lstrip()[:1] == b"{":
        return await screening.screen("output", body)
    told = body.decode("utf-8", "replace")
    (text,) = msgspec.json.decode(await screening.screen("output", msgspec.json.encode([told])), type=list[str])
    return body if text == told else text.encode()
