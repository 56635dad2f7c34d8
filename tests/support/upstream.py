"""A model upstream that does what a test tells it to, down to the bytes on the wire.

In a test's own loop::

    from tests.support.upstream import RESET, Upstream, anthropic_error, chat, hang, messages, openai_error, sse, until

    async with Upstream() as upstream:      # Upstream(ssl=context) for TLS
        upstream.url                        # "http://127.0.0.1:PORT"; OpenAI's base URL is upstream.url + "/v1"
        upstream.enqueue(openai_error(429, retry_after=7), chat("hello").cut(40))   # one script per request, in order
        upstream.default = chat("hi")       # when the queue is empty; a Script, or a function Received -> Script
        upstream.requests                   # list[Received], oldest first
        received = await upstream.request(0)    # waits (5 s) until that request has arrived whole
        received.method, .path, .query, .headers (lower-case names, last one wins), .raw_headers, .body, .json
        received.connection                 # the number of its connection, from 0
        await received.closed(1.0)          # waits until the peer closed that connection; TimeoutError
        received.answered                   # True once the script wrote its last byte
        upstream.connections                # how many were accepted; upstream.open_connections: how many are open
        upstream.drop_idle()                # closes (FIN) every idle keep-alive connection now, for reuse races
        await until(lambda: condition, seconds=5)   # polls; what tests use where they would sleep

Without a queue or a `default` it answers by path as a well-behaved provider would: `/chat/completions`,
`/responses`, `/messages`, `/messages/count_tokens`, `/embeddings`, `/models` (any prefix); it streams when the body
says `"stream": true`, honours `stream_options.include_usage`, calls the first offered tool when the last message
holds the word "tool", and echoes the model's name.

Scripts (all return a `Script`; every argument has a default)::

    chat(text, tool=("name", {"arg": 1}), tokens=(12, 7), cached=0, usage=True, model="")    # whole or a stream
    messages(text, tool=..., thinking="", tokens=(12, 7), cache_read=0, cache_write=0, model="")
    responses(text)   count_tokens()   embeddings()   models()
    openai_error(status, message, code, retry_after=None)       # retry_after: seconds, an HTTP date, any text;
    anthropic_error(status, message, kind, retry_after=None)    # None: no such header
    json_reply(value, status=200, headers=())     raw_reply(body, status=200, content_type=..., headers=())
    sse([b"data: ...", Pause(1), ...])            giant_event(size)      gzip_bomb(megabytes=50)
    html_200()  text_200()                        # 200, but no JSON
    hang()                                        # reads the request, never answers
    raw(*steps)     # exactly these on the wire: bytes, Pause(seconds), Wait(event), and RESET, CLOSE or HANG at the end
    garbage_status()  huge_header(kilobytes=300)  length_and_chunked()  duplicate_length()  bad_chunk_size()
    http_09()  informational_flood(n)

A script is a value; these make a changed one (in any order). Payload, what the framing carries::

    .paced(seconds)         a pause before every event but the first; .paced(s, after=n): only after the nth
    .rechunked(size)        the same bytes in pieces of `size`, so events and UTF-8 are split anywhere
    .truncated(at)          the payload ends after `at` bytes, with clean framing (an SSE event cut in the middle)
    .without_end()          the stream's terminator ([DONE], message_stop, response.completed) is missing, framing clean
    .headed({...})          more or other headers; .with_status(code)
    .declaring(off)         content-length wrong by `off`. off > 0: then FIN; off < 0: the connection stays open

Wire, what the connection carries (`at` counts bytes after the headers)::

    .cut(at, RESET)         stops there with a reset, or CLOSE: early FIN (mid-chunk), or HANG: silence. at=0: no body
    .cut_head(at, RESET)    the same, counted from the first byte of the status line
    .dripped(seconds)       one byte of the body, then a pause, and so on
    .delayed(seconds)       silence before the status line
    .then_closed()          a whole keep-alive answer, then FIN without having announced it

No address to answer at all::

    with refused() as url: ...        a port that is held but not listened on
    with black_hole() as url: ...     a full backlog: the SYN is never answered

As a process, for hubs in a process of their own::

    python -m tests.support.upstream --port 0      # prints {"port": N, "url": "..."}; ends on SIGTERM or stdin's end
    async with spawn_upstream() as url: ...        # the same, from a test

There a request names its script: by the header `x-script: NAME`, by a path prefix (`base_url: URL/@NAME/v1`) or by
the end of its model's name (`model: gpt-x@NAME`). NAME is `word[:arg[:arg]]`, several joined by `+`; the first may be
a reply, the rest change it. Replies: `say:TEXT`, `tool:NAME`, `think`, `cache:READ:WRITE`, `nousage`, `status:503`,
`status:429:7` (errors in the shape of the path), `html`, `text`, `hang`, `bomb:50`, `giant:1000000`, `garbage`,
`hugeheader:300`, `cl_te`, `duplength`, `badchunk`, `http09`, `flood:50`. Changes: `reset:120`, `close:40`, `stall:0`,
`drip:0.3`, `delay:2`, `pace:0.05`, `rechunk:1`, `truncate:100`, `noend`, `thenclose`, `length:5`, `length:-5`.
Example: `say:hello+pace:0.1+reset:300`. Its records are at `GET /_requests`: {"requests": [{method, path, headers,
body, connection, answered, closed}], "connections": n}; `DELETE /_requests` forgets them; `POST /_queue` with
{"scripts": [NAME, ...]} sets the scripts of the next requests that name none.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import ssl
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

from tests.support.addresses import black_hole, refused
from tests.support.connection import Connection, Received
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
from tests.support.model_answers import chat, count_tokens, embeddings, messages, models, responses, well_behaved
from tests.support.script import (
    CLOSE,
    HANG,
    RESET,
    End,
    Pause,
    Reply,
    Script,
    Wait,
    hang,
    json_reply,
    raw,
    raw_reply,
    sse,
)
from tests.support.script_names import asked_script, named

__all__ = [
    "CLOSE",
    "HANG",
    "RESET",
    "End",
    "Pause",
    "Received",
    "Reply",
    "Script",
    "Upstream",
    "Wait",
    "anthropic_error",
    "bad_chunk_size",
    "black_hole",
    "chat",
    "count_tokens",
    "duplicate_length",
    "embeddings",
    "garbage_status",
    "giant_event",
    "gzip_bomb",
    "hang",
    "html_200",
    "http_09",
    "huge_header",
    "informational_flood",
    "json_reply",
    "length_and_chunked",
    "messages",
    "models",
    "named",
    "openai_error",
    "raw",
    "raw_reply",
    "refused",
    "responses",
    "spawn_upstream",
    "sse",
    "text_200",
    "until",
    "well_behaved",
]

ROOT = Path(__file__).resolve().parents[2]


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Return once `condition()` is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


class Upstream:
    """The server. See the module's docstring for how it is used."""

    def __init__(self, *, ssl: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.requests: list[Received] = []
        self.default: Script | Callable[[Received], Script] = well_behaved
        self.connections = 0
        self._queue: deque[Script] = deque()
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ssl = ssl
        self.port = port

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def enqueue(self, *scripts: Script) -> None:
        """Answer the next requests with these, one each."""
        self._queue.extend(scripts)

    async def request(self, index: int, seconds: float = 5.0) -> Received:
        """The request number `index` (from 0), as soon as it has arrived."""
        await until(lambda: len(self.requests) > index, seconds)
        return self.requests[index]

    def drop_idle(self) -> None:
        """Close every connection on which no script plays."""
        for connection in tuple(self._open):
            if connection.idle:
                connection.close()

    def clear(self) -> None:
        """Forget requests and queued scripts."""
        self.requests.clear()
        self._queue.clear()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._open:
            connection.abort()
        await until(lambda: not self._open)
        faults = [end for end in ended if isinstance(end, Exception)]
        if faults and kind is None:
            raise faults[0]  # a script went wrong, or a request could not be read

    def opened(self, connection: Connection) -> int:
        """A connection was accepted; its number."""
        self._open.add(connection)
        self.connections += 1
        return self.connections - 1

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Own the task of a connection."""
        self._tasks.add(task)

    def arrived(self, received: Received) -> Script:
        """Note the request and choose its script."""
        self.requests.append(received)
        if self._queue:
            return self._queue.popleft()
        return self.default if isinstance(self.default, Script) else self.default(received)


class NamedUpstream(Upstream):
    """The upstream as a process of its own: scripts by name, records over HTTP."""

    def arrived(self, received: Received) -> Script:
        """Answer the control paths; play the rest."""
        if received.path == "/_requests":
            return self._records(received)
        if received.path == "/_queue":
            names = received.json["scripts"]
            self.enqueue(*(Script(lambda later, name=name: named(name, later).wire(later)) for name in names))
            return json_reply({"queued": len(names)})
        asked = asked_script(received)
        if asked:
            self.requests.append(received)
            return named(asked, received)
        return super().arrived(received)

    def _records(self, received: Received) -> Script:
        if received.method == "DELETE":
            self.clear()
        rows = [
            {
                "method": one.method,
                "path": one.path,
                "headers": one.headers,
                "body": one.body.decode("utf-8", "replace"),
                "connection": one.connection,
                "answered": one.answered,
                "closed": one.gone.is_set(),
            }
            for one in self.requests
        ]
        return json_reply({"requests": rows, "connections": self.connections})


@contextlib.asynccontextmanager
async def spawn_upstream() -> AsyncIterator[str]:
    """The upstream in a process of its own; its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.upstream", "--port", "0",
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield json.loads(line)["url"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, lambda: None if os.read(0, 4096) else stop.set())
    async with NamedUpstream(port=port) as upstream:
        print(json.dumps({"port": upstream.port, "url": upstream.url}), flush=True)
        await stop.wait()


def main() -> None:
    """Run until SIGTERM, or until stdin is closed."""
    options = argparse.ArgumentParser(description="A scriptable model upstream.")
    options.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(options.parse_args().port))


if __name__ == "__main__":
    main()
