"""The port between sending a call and its wire format: what a dialect can do with bodies and streams."""

from typing import Protocol

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.usage import Usage


class StreamReader(Protocol):
    """Follows one stream of events: forwards whole events only, and knows whether the stream is complete."""

    @property
    def done(self) -> bool:
        """Whether the terminator has passed."""
        ...

    @property
    def failure(self) -> UpstreamFailed | None:
        """The error that the upstream itself reported in the stream, if it did."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the upstream reported it, or ""."""
        ...

    @property
    def usage(self) -> Usage:
        """What was used, by the upstream's own account; estimated from what was delivered without one."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes split anywhere and give back the whole events they complete; b"" when they complete none.

        Raises UpstreamFailed `upstream_protocol` when one event is larger than any real one.
        """
        ...

    def finish(self) -> bytes:
        """Say that the upstream ended cleanly; gives what is still due to the caller.

        Raises UpstreamFailed `upstream_protocol` when the stream is not complete.
        """
        ...


class Wire(Protocol):
    """One dialect, as those who carry a call need it."""

    @property
    def keep_alive(self) -> bytes:
        """What fills silence in a stream without meaning anything."""
        ...

    def request(self, call: ModelCall, model: str) -> bytes:
        """The call's body for upstream model `model`: byte-faithful but for the model's name and the wish for usage."""
        ...

    def usage(self, body: bytes) -> Usage | None:
        """What a whole reply says it used; None when it does not say.

        Raises UpstreamFailed `upstream_protocol` when the body is not a JSON object.
        """
        ...

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """What a call used whose reply does not say, by its size."""
        ...

    def reader(self, call: ModelCall) -> StreamReader:
        """A reader for the call's stream."""
        ...

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:
        """The event that ends a stream which cannot go on."""
        ...
