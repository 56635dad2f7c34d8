"""The port between sending a call and its wire format: what a dialect can do with bodies and streams."""

from typing import Protocol

from msgspec import Struct

from hub.core.calls import Dialect
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.usage import Usage


class StreamReader(Protocol):
    """Follows one stream of events: gives whole events only, and knows whether the stream is complete."""

    @property
    def done(self) -> bool:
        """Whether the terminator has passed."""
        ...

    @property
    def failure(self) -> UpstreamFailed | None:
        """The error that the upstream itself reported in the stream, if it did and the caller got it."""
        ...

    @property
    def model(self) -> str:
        """The model's name as the upstream reported it, or ""."""
        ...

    @property
    def tier(self) -> str:
        """The service tier that the upstream said it answered at, which decides the price; "" when it did not say."""
        ...

    @property
    def usage(self) -> Usage:
        """What was used, by the upstream's own account; estimated from what was delivered without one."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes split anywhere and give back whole events for the caller; b"" when they complete none.

        Raises UpstreamFailed `upstream_protocol` when one event is larger than any real one or is none;
        `upstream_error` when the upstream reports an error that must be told in another dialect.
        """
        ...

    def finish(self) -> bytes:
        """Say that the upstream ended cleanly; gives what is still due to the caller.

        Raises UpstreamFailed `upstream_protocol` when the stream is not complete.
        """
        ...


class Whole(Struct, frozen=True):
    """A whole reply as the caller gets it, what it used, and the service tier that it says it was answered at."""

    body: bytes
    usage: Usage
    tier: str = ""


class Lane(Protocol):
    """How one attempt carries one call: its body on the way out, and the answer on the way back.

    `name` is passthrough, translate or estimate; `spoken` the dialect that the upstream is called in; `body` what it
    gets; `dropped` the names of the caller's fields that could not cross; `local` the provider inside the process
    that answers in the deployment's place, or "". `keep_alive` fills silence in a stream.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def spoken(self) -> Dialect: ...  # noqa: D102 - see the class
    @property
    def body(self) -> bytes: ...  # noqa: D102 - see the class
    @property
    def dropped(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class
    @property
    def local(self) -> str: ...  # noqa: D102 - see the class
    @property
    def keep_alive(self) -> bytes: ...  # noqa: D102 - see the class

    def whole(self, body: bytes) -> Whole:
        """A whole reply of the upstream, for the caller.

        Raises UpstreamFailed `upstream_protocol` when the body is not a JSON object.
        """
        ...

    def error(self, status: int, body: bytes) -> bytes:
        """An error reply of the upstream, for the caller."""
        ...

    def reader(self) -> StreamReader:
        """A reader for the answer's stream."""
        ...

    def error_event(self, refusal: Refusal, told: bytes = b"") -> bytes:
        """The event that ends a stream which cannot go on. `told` are the first and the last events that the caller got."""
        ...
