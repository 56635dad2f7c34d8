"""A stream on its way to the caller: whole events, no silence, and never an end that the provider did not send."""

import asyncio
import time
from collections.abc import Callable
from typing import Self

from hub.core.calls import METERED
from hub.core.raw_usage import usage_in
from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.core.wire import Lane, StreamReader
from hub.upstream.attempts import Attempt, Record, check_events, is_comment
from hub.upstream.exchange import Response
from hub.upstream.failures import Unmetered, late
from hub.upstream.verdicts import Failed, class_of_report

SILENCE = 10.0  # seconds, after which the caller is sent something that means nothing
MOST_COMMENTS = 65_536  # bytes, that wait for the first event
LINGER = 1.0  # seconds that the upstream's own end may come after the terminator


class ModelStream:
    """The chunks of one streamed answer, and what is known of it when it ends. Iterated once.

    A failure on the way becomes an error event in the caller's dialect, after which nothing follows. `now` is monotonic.
    """

    def __init__(
        self,
        response: Response,
        lane: Lane,
        attempt: Attempt,
        record: Record,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._first_by = now() + max(attempt.deployment.timeouts.first_byte - attempt.elapsed, 0.0)
        self._silent = True  # nothing has come of it yet
        self._quiet_since = 0.0  # when what came began to be nothing for the caller
        self._comments = b""  # of the provider, before its first event
        self._response = response
        self._lane = lane
        self._attempt = attempt
        self._record = record
        self._reader: StreamReader = lane.reader()
        self._waiting = b""
        self._begun = False
        self._size = 0
        self._ended = False
        self._passed = False
        self._failure: UpstreamFailed | None = None
        self._closed = False
        self._counts = attempt.deployment.missing_usage == "refuse" and lane.spoken in METERED
        self._last = (b"", b"")  # the end as it came: where the provider says what was used
        self._opening = self._told = b""  # the first and the latest events, as the caller gets them

    @property
    def usage(self) -> Usage:
        """What was used until now."""
        return self._reader.usage

    @property
    def head(self) -> bytes:
        """What has come of it and was not taken yet."""
        return self._waiting

    @property
    def tier(self) -> str:
        """The service tier that the provider said it answered at, or ""."""
        return self._reader.tier

    @property
    def reported(self) -> UpstreamFailed | None:
        """The error that the provider itself put into the stream."""
        return self._reader.failure

    @property
    def complete(self) -> bool:
        """Whether the stream has come to its proper end, and all of it was taken."""
        failed = self._failure is not None or self._reader.failure is not None
        return not failed and not self._waiting and (self._ended or self._reader.done)

    @property
    def passed(self) -> bool:
        """Whether the terminator was passed on: whoever took it has come back for more."""
        return self._passed and self.complete

    async def begin(self) -> None:
        """Wait for the first event, or for `SILENCE` after which the caller must hear something.

        Until here nothing was sent to the caller, so another target may still be tried: comments by which a provider
        keeps the line open are no answer. Raises UpstreamFailed.
        """
        while not self._waiting and not self._ended:
            self._waiting = await self._more()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes for the caller."""
        self._passed = self.complete
        out, self._waiting = self._waiting, b""
        try:
            while not out and not self._ended:
                out = await self._more()
            if self._counts:
                self._check_usage()
            if not out:
                raise StopAsyncIteration
        except UpstreamFailed as failure:
            self._ended = True
            self._response.close()
            if self._settled and not isinstance(failure, Unmetered):
                raise StopAsyncIteration from None
            self._failure = failure
            out = self._lane.error_event(failure, self._opening + self._told)
        self._told = out
        self._size += len(out)
        return out

    @property
    def _settled(self) -> bool:
        """Whether the caller has all that will come: the terminator, or the provider's own error."""
        return self._reader.done or self._reader.failure is not None

    async def _more(self) -> bytes:
        """The next whole events; b"" when none are whole yet, or at the end."""
        chunk = await self._response.read(LINGER if self._settled else self._patience)
        if chunk:
            self._silent = False
            out = self._reader.feed(chunk)
            self._last = (self._last[1], chunk)
            if out and not self._begun:
                out = self._first(out)
            if out:
                self._quiet_since = 0.0
                return out
            return self._sign_of_life()
        if chunk is None and not self._settled:
            if self._silent and self._now() >= self._first_by:
                raise late("did not begin to answer")
            return self._lane.keep_alive
        self._ended = True
        return self._reader.finish()

    def _check_usage(self) -> None:
        """Withhold the end of an answer that does not say what it used. Raises Unmetered where its provider's must."""
        over = self._reader.done and self._failure is None and self._reader.failure is None
        if over and self._reader.usage.estimated:
            raise Unmetered(self._attempt.deployment.target)

    @property
    def _patience(self) -> float:
        """How long nothing may come until something has to be done. The first byte has a clock of its own."""
        return min(SILENCE, max(self._first_by - self._now(), 0.0)) if self._silent else SILENCE

    def _first(self, out: bytes) -> bytes:
        """The first event, behind the comments that came before it; b"" until it is there."""
        out = self._comments + out
        check_events(out)
        if is_comment(out) and len(out) <= MOST_COMMENTS:
            self._comments = out
            return b""
        self._begun = True
        self._opening = out
        self._comments = b""
        self._attempt.answered()
        return out

    def _sign_of_life(self) -> bytes:
        """What a caller must hear whose provider sends nothing but signs of life for long; mostly b""."""
        now = self._now()
        if not self._quiet_since:
            self._quiet_since = now
        if self._settled or now - self._quiet_since < SILENCE:
            return b""
        self._quiet_since = now
        return self._lane.keep_alive

    def tell(self, record: Record) -> None:
        """Let another record know how it ends."""
        self._record = record

    def abandon(self) -> None:
        """Let go of the upstream, as if it had never been asked: another one has answered."""
        self._closed = True
        self._response.close()
        self._attempt.abandoned()

    def close(self) -> None:
        """Let go of the upstream and write down how it ended. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._response.close()
        self._record.response_bytes = self._size
        self._record.told(usage_in(b"".join(self._last)))
        failure = self._failure or self._reader.failure
        if failure is not None:
            self._record.failed(failure.code, failure.message)
            self._attempt.failed(Failed(class_of_report(failure), failure))
        elif self._ended or self._reader.done:
            self._attempt.ok(self._reader.usage.completion)
        else:
            self._record.cancelled()
            self._attempt.abandoned()


async def opened(response: Response, lane: Lane, attempt: Attempt, record: Record) -> ModelStream:
    """The stream of `response`, begun. Closes the response when that fails. Raises UpstreamFailed."""
    stream = ModelStream(response, lane, attempt, record)
    try:
        await stream.begin()
    except (UpstreamFailed, asyncio.CancelledError):
        response.close()
        raise
    return stream
