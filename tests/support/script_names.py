"""Scripts by name, for upstreams in a process of their own: `say:hello+pace:0.1+reset:300`."""

from collections.abc import Callable
from urllib.parse import unquote

from tests.support.connection import Received
from tests.support.fault_answers import (
    anthropic_error,
    bad_chunk_size,
    duplicate_length,
    garbage_status,
    giant_event,
    gzip_bomb,
    html_200,
    http_09,
    huge_header,
    informational_flood,
    length_and_chunked,
    openai_error,
    text_200,
)
from tests.support.model_answers import TEXT, chat, messages, responses, well_behaved
from tests.support.script import CLOSE, HANG, RESET, Script, hang, json_reply

Arguments = list[str]


def _anthropic(received: Received) -> bool:
    return received.path.endswith("/messages")


def _say(received: Received, given: Arguments) -> Script:
    text = unquote(given[0])
    if _anthropic(received):
        return messages(text)
    return responses(text) if received.path.endswith("/responses") else chat(text)


def _tool(received: Received, given: Arguments) -> Script:
    tool = (given[0], {"text": "from the model", "n": 1})
    return messages("", tool=tool) if _anthropic(received) else chat(tool=tool)


def _cache(received: Received, given: Arguments) -> Script:
    read, write = int(given[0]), int(given[1]) if len(given) > 1 else 0
    if _anthropic(received):
        return messages(cache_read=read, cache_write=write)
    return chat(tokens=(read + 12, 7), cached=read)


def _status(received: Received, given: Arguments) -> Script:
    make = anthropic_error if _anthropic(received) else openai_error
    return make(int(given[0]), retry_after=unquote(given[1]) if len(given) > 1 else None)


REPLIES: dict[str, Callable[[Received, Arguments], Script]] = {
    "say": _say,
    "tool": _tool,
    "cache": _cache,
    "status": _status,
    "think": lambda _received, given: messages(TEXT, thinking=unquote(given[0]) if given else "Let me think."),
    "nousage": lambda _received, _given: chat(usage=False),
    "hang": lambda _received, _given: hang(),
    "html": lambda _received, _given: html_200(),
    "text": lambda _received, _given: text_200(),
    "bomb": lambda _received, given: gzip_bomb(*map(int, given)),
    "giant": lambda _received, given: giant_event(*map(int, given)),
    "garbage": lambda _received, _given: garbage_status(),
    "hugeheader": lambda _received, given: huge_header(*map(int, given)),
    "cl_te": lambda _received, _given: length_and_chunked(),
    "duplength": lambda _received, _given: duplicate_length(),
    "badchunk": lambda _received, _given: bad_chunk_size(),
    "http09": lambda _received, _given: http_09(),
    "flood": lambda _received, given: informational_flood(*map(int, given)),
}

CHANGES: dict[str, Callable[[Script, Arguments], Script]] = {
    "reset": lambda script, given: script.cut(int(given[0]), RESET),
    "close": lambda script, given: script.cut(int(given[0]), CLOSE),
    "stall": lambda script, given: script.cut(int(given[0]), HANG),
    "drip": lambda script, given: script.dripped(float(given[0])),
    "delay": lambda script, given: script.delayed(float(given[0])),
    "pace": lambda script, given: script.paced(float(given[0])),
    "rechunk": lambda script, given: script.rechunked(int(given[0])),
    "truncate": lambda script, given: script.truncated(int(given[0])),
    "noend": lambda script, _given: script.without_end(),
    "thenclose": lambda script, _given: script.then_closed(),
    "length": lambda script, given: script.declaring(int(given[0])),
}


def named(name: str, received: Received) -> Script:
    """The script that `name` says, for this request; an unknown word is answered with status 599 that says so."""
    script: Script | None = None
    for part in name.split("+"):
        word, *given = part.split(":")
        if word in REPLIES and script is None:
            script = REPLIES[word](received, given)
        elif word in CHANGES:
            script = CHANGES[word](script or well_behaved(received), given)
        else:
            return json_reply({"error": {"message": f"no script is named {part!r}"}}, 599)
    return script or well_behaved(received)


def asked_script(received: Received) -> str:
    """The name that the request itself gives: by header, by path prefix, or by its model's name. Empty: none."""
    if name := received.headers.get("x-script"):
        return name
    if received.path.startswith("/@"):
        return unquote(received.path[2:].split("/", 1)[0])
    body = received.json
    model = body.get("model", "") if isinstance(body, dict) else ""
    return model.partition("@")[2] if isinstance(model, str) else ""
