"""The scripted upstream in a thread and a loop of its own, so that blocking clients can be used."""

import asyncio
import contextlib
import threading

from tests.support.dialect_answers import bedrock, gemini
from tests.support.model_answers import chat, messages, responses
from tests.support.upstream import Upstream

# One provider for each dialect that an upstream can speak: its kind, its path, and who answers there.
UPSTREAMS = {
    "chat": ("openai-compatible", "/v1", chat),
    "messages": ("anthropic", "", messages),
    "responses": ("azure-openai", "/openai/v1", responses),
    "gemini": ("gemini", "", gemini),
    "bedrock": ("bedrock", "", bedrock),
}


class Scripted(threading.Thread):
    """Answers every request with what `answer(received)` gives."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.done = None
        self.loop = None
        self._answer = answer

    def run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self.loop, self.done = asyncio.get_running_loop(), asyncio.Event()
        async with Upstream() as self.upstream:
            self.upstream.default = self._answer
            self.ready.set()
            await self.done.wait()

    def providers(self):
        """A provider for each dialect, behind this upstream."""
        return {
            name: {
                "kind": kind,
                "base_url": f"{self.upstream.url}/{name}{path}",
                "allow_private": True,
                "api_key": "env:UPSTREAM_KEY",
            }
            for name, (kind, path, _) in UPSTREAMS.items()
        }


@contextlib.contextmanager
def scripted_upstream(answer):
    """Such an upstream, running."""
    thread = Scripted(answer)
    thread.start()
    assert thread.ready.wait(10)
    try:
        yield thread
    finally:
        thread.loop.call_soon_threadsafe(thread.done.set)
        thread.join(10)
