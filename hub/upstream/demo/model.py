"""The `demo` provider: a deterministic model inside the hub, so that everything can be tried without any key."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from hub.core.calls import Dialect
from hub.core.values import a_dict
from hub.upstream.demo import anthropic, openai
from hub.upstream.demo.rules import Asked, Said, answer
from hub.upstream.exchange import Exchange

SUGGESTED_MODEL = "demo-1"


class _Format(Protocol):
    """A dialect as the demo model speaks it: a module."""

    def ask(self, body: dict[str, Any]) -> Asked: ...
    def whole(self, asked: Asked, said: Said, name: str, created: int) -> dict[str, Any]: ...
    def stream(self, asked: Asked, said: Said, name: str, created: int, body: dict[str, Any]) -> Iterator[bytes]: ...
    def error(self, message: str) -> dict[str, Any]: ...


_FORMATS: Mapping[str, _Format] = {
    f"local:{Dialect.OPENAI_CHAT}": openai,
    f"local:{Dialect.ANTHROPIC_MESSAGES}": anthropic,
}


class LocalResponse:
    """An answer made in the process. See `hub.upstream.exchange.Response`."""

    def __init__(self, status: int, content_type: str, chunks: Iterable[bytes]) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._chunks = iter(chunks)

    async def read(self, patience: float = math.inf) -> bytes | None:
        """The next piece. Others get their turn between two pieces."""
        del patience  # nothing to wait for
        await asyncio.sleep(0)
        return next(self._chunks, b"")

    def close(self) -> None:
        """Say no more."""
        self._chunks = iter(())


class DemoProvider:
    """Answers exchanges by fixed rules. Any model name works; `demo-1` is the one to show."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    async def request(self, exchange: Exchange) -> LocalResponse:
        """Answer a call. What a provider would refuse is refused with status 400."""
        speak = _FORMATS[exchange.url]
        try:
            body = a_dict(msgspec.json.decode(exchange.body))
            asked = speak.ask(body)
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            return _json(400, speak.error(str(error)))
        said = answer(asked)
        name = blake2b(exchange.body, digest_size=12).hexdigest()
        created = int(self._now())
        if body.get("stream") is True:
            return LocalResponse(200, "text/event-stream", speak.stream(asked, said, name, created, body))
        return _json(200, speak.whole(asked, said, name, created))


class Echo:
    """Answers with what it is sent: for questions that the hub answers by itself."""

    async def request(self, exchange: Exchange) -> LocalResponse:
        """Answer a call."""
        return LocalResponse(200, "application/json", (exchange.body,))


def _json(status: int, value: dict[str, Any]) -> LocalResponse:
    return LocalResponse(status, "application/json", (msgspec.json.encode(value),))
