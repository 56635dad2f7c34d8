"""What rules and targets look at in a call, each found out once and only when it is asked for."""

import re
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from hub.core.calls import PLAIN, ModelCall
from hub.core.principal import Principal
from hub.resources.rules import SECRET_HEADERS
from hub.routing.conditions import Conditions

_BYTES_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 1600
_BLOB = re.compile(rb"[A-Za-z0-9+/_-]{512,}={0,2}")
# How each dialect marks a picture. In a text these quotes would be escaped, so they cannot be said by accident.
_IMAGES = (
    b'"image_url"',
    b'"input_image"',
    b'"type":"image"',
    b'"type": "image"',
    b'"inlineData"',
    b'"inline_data"',
    b'"image":{"format"',
    b'"image": {"format"',
)
_CONVERSATION = ("messages", "input", "contents")
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction")
_ITEMS = msgspec.json.Decoder(list[Raw])
_ROLE = re.compile(rb'"role"\s*:\s*"(system|developer)"')


class Facts:
    """A call and its caller under the conditions of the moment. `now` is in seconds since the epoch."""

    def __init__(self, call: ModelCall, principal: Principal, at: Conditions) -> None:
        self.call = call
        self.principal = principal
        self.now = at.now()
        self._budget_used = at.budget_used

    def header(self, name: str) -> str:
        """A request header, or ""."""
        return self.call.arrival.header(name)

    @cached_property
    def tags(self) -> dict[str, str]:
        """The caller's tags."""
        return dict(self.call.origin.tags)

    @cached_property
    def tools(self) -> bool:
        """Whether the call offers tools."""
        return self._filled("tools") or self._filled("toolConfig")

    @cached_property
    def images(self) -> bool:
        """Whether the conversation holds a picture."""
        body = self.call.body
        return self.call.dialect not in PLAIN and any(mark in body for mark in _IMAGES)

    @cached_property
    def tokens(self) -> int:
        """About how many tokens the prompt has: a picture counts as one, not as its bytes."""
        body = self.call.body
        if not self.images:
            return len(body) // _BYTES_PER_TOKEN + 1
        blobs = [len(found[0]) for found in _BLOB.finditer(body)]
        return (len(body) - sum(blobs)) // _BYTES_PER_TOKEN + len(blobs) * _TOKENS_PER_IMAGE + 1

    @cached_property
    def budget_used(self) -> float:
        """How many percent are used of the fullest budget that the call falls under."""
        return self._budget_used(self.principal, self.call.model)

    @cached_property
    def for_expressions(self) -> dict[str, Any]:
        """The same facts by the names that expressions know. Headers that hold credentials are not among them."""
        arrival = self.call.arrival
        names = {name.decode("latin-1") for name, _ in arrival.headers} - SECRET_HEADERS
        return {
            "model": self.call.model,
            "key": self.principal.key,
            "user": self.principal.user,
            "team": self.principal.team,
            "headers": {name: arrival.header(name) for name in names},
            "tags": self.tags,
            "tokens": self.tokens,
            "budget_used": int(self.budget_used),
            "tools": self.tools,
            "images": self.images,
            "stream": self.call.stream,
            "now": datetime.fromtimestamp(self.now, UTC),
        }

    @cached_property
    def beginning(self) -> str:
        """A hash of how the conversation begins, the same in each of its turns; "" when it cannot be seen.

        That is the instructions, and the first message that is not one.
        """
        places, body = self.call.places, self.call.body
        parts = [body[places[name][0] : places[name][1]] for name in _INSTRUCTIONS if name in places]
        start, end = next((places[name] for name in _CONVERSATION if name in places), (0, 0))
        try:
            items = [bytes(item) for item in _ITEMS.decode(body[start:end])] if body[start : start + 1] == b"[" else []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""
        for item in items or [body[start:end]]:
            parts.append(item)
            if not _ROLE.search(item[:200]):
                break
        return blake2b(b"\0".join(parts), digest_size=16).hexdigest() if any(parts) else ""

    def anchor(self, sticky: str) -> str:
        """What keeps the call where it is, by the route's wish: a session, a header's value, or the beginning."""
        if sticky == "session":
            return self.call.origin.session
        if sticky == "prefix":
            return self.call.origin.session or self.beginning
        return self.header(sticky.removeprefix("header:").lower()) if sticky.startswith("header:") else ""

    def _filled(self, name: str) -> bool:
        start, end = self.call.places.get(name, (0, 0))
        return end - start > 2 and self.call.body[start : start + 1] in (b"[", b"{")
