"""What the stream readers of all dialects share: cutting at event borders and keeping count."""

from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect.estimate import estimate_output
from hub.dialect.sse import Cutter, cut_off, is_silence


class Reader:
    """Forwards whole events of one stream. A dialect says what to look for in them, by `_look` and `_told`.

    Nothing is parsed while events pass: a block of events is searched for a few words, and kept by reference
    where it holds one that matters at the end. `prompt` is the estimate of the prompt's tokens.
    """

    tier = ""
    ENVELOPE = 0  # bytes of JSON around the text of one event

    def __init__(self, prompt: int) -> None:
        self._cutter = Cutter()
        self._prompt = prompt
        self._size = 0
        self._events = 0
        self._searched = 0  # web searches seen on the way, for a stream that is cut before it counts them
        self.done = False
        self.failure: UpstreamFailed | None = None

    def feed(self, chunk: bytes) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        block = self._cutter.feed(chunk)
        if not block:
            return block
        self._size += len(block)
        self._events += block.count(b"\n\n")
        return self._look(block)

    def finish(self) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        rest = bytes(self._cutter.pending)
        if self.done or self.failure is not None:
            return b""
        if is_silence(rest):
            return self._end()
        last = self._look(rest.rstrip(b"\r\n") + b"\n\n")  # an end whose blank line is missing is still the end
        if not self.done and self.failure is None:
            raise cut_off()
        return last

    @property
    def usage(self) -> Usage:
        """See `hub.core.wire.StreamReader`."""
        told = self._told()
        if told is not None:
            return told
        return Usage(input=self._prompt, output=self._delivered(), searches=self._searched, estimated=True)

    def _delivered(self) -> int:
        return estimate_output(self._size, self._events, self.ENVELOPE)

    def _look(self, block: bytes) -> bytes:
        """Note what matters in a block of whole events; gives back what of it goes to the caller."""
        raise NotImplementedError

    def _end(self) -> bytes:
        """The stream ended without a terminator: what completes it. Raises UpstreamFailed when it is cut."""
        raise cut_off()

    def _told(self) -> Usage | None:
        """What the provider said was used, when it said it."""
        raise NotImplementedError
