"""How tokens are drawn: settings that OpenAI's models which think refuse."""

import re

from msgspec.structs import replace

from hub.dialect.given import Notes
from hub.dialect.neutral import Request

# Those that always think, and those that do once they are told how much.
_ALWAYS = re.compile(r"o\d|gpt-5(?:-(?:mini|nano|pro|codex))?(?:-\d{4}-\d\d-\d\d)?$")
_WHEN_TOLD = re.compile(r"gpt-[5-9](?!.*chat)|codex")
_NEUTRAL = {"temperature": 1, "top_p": 1, "presence": 0, "frequency": 0, "logprobs": False, "top_logprobs": None}
_NAMES = {"presence": "presence_penalty", "frequency": "frequency_penalty"}


def without_sampling(request: Request, model: str, notes: Notes) -> Request:
    """The call as OpenAI's `model` takes it."""
    name = model.rpartition("/")[2]
    if not _ALWAYS.match(name) and not (request.thought.effort and _WHEN_TOLD.match(name)):
        return request
    for field, neutral in _NEUTRAL.items():
        if getattr(request, field) not in (None, neutral):
            notes.drop(_NAMES.get(field, field))
    return replace(
        request, temperature=None, top_p=None, presence=None, frequency=None, logprobs=False, top_logprobs=None
    )
