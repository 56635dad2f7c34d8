"""What is known of one server: its definitions, how far they can be trusted, and since when."""

import time
from collections.abc import Callable
from dataclasses import replace

from hub.upstream.mcp.definitions import Listing
from hub.upstream.mcp.link import Greeting
from hub.upstream.mcp.values import ServerDefinitions, ServerState


class Knowledge:
    """Read at any time, without waiting. `changed` is called with every change that others can see."""

    def __init__(self, changed: Callable[[], None], now: Callable[[], float] = time.time) -> None:
        self._changed = changed
        self._now = now
        self.definitions = ServerDefinitions(since=now())

    def recall(self, definitions: ServerDefinitions) -> None:
        """Begin with what was known before; it is to be confirmed."""
        self.definitions = replace(definitions, state=ServerState.STALE, since=self._now(), error="")

    def confirm(self, listing: Listing, greeting: Greeting) -> bool:
        """The server has just said so; whether it offers other things than before."""
        known = self.definitions
        before = (known.tools, known.prompts, known.resources, known.templates)
        same = before == (listing.tools, listing.prompts, listing.resources, listing.templates) and known.revision > 0
        ready = known.state is ServerState.READY
        self.definitions = ServerDefinitions(
            tools=listing.tools,
            prompts=listing.prompts,
            resources=listing.resources,
            templates=listing.templates,
            instructions=greeting.instructions,
            server_info=greeting.server_info,
            capabilities=greeting.capabilities,
            era=greeting.speech.era,
            version=greeting.speech.version,
            state=ServerState.READY,
            since=known.since if ready else self._now(),
            revision=known.revision if same else known.revision + 1,
            rejected=listing.rejected,
            plain=listing.plain,
            listed=self._now(),
            ttl=listing.ttl,
        )
        if not same or not ready:
            self._changed()
        return not same

    def doubt(self, error: str, *, given_up: bool = False) -> None:
        """It failed: what is known of it is from before, if anything is."""
        known = self.definitions
        state = ServerState.FAILED if given_up or known.revision == 0 else ServerState.STALE
        if (known.state, known.error) != (state, error):
            since = known.since if known.state is state else self._now()
            self.definitions = replace(known, state=state, since=since, error=error)
            self._changed()
