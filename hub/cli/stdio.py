"""A profile over standard input and output, for clients that start a program instead of calling an address."""

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Annotated, Any, Self
from urllib.parse import quote

import httpx2
from cyclopts import Parameter
from msgspec import Raw

from hub.cli.client import Connection
from hub.core.refusal import UpstreamFailed
from hub.upstream import NAMED_BY, Events, encode_value, mirrored_of, param_headers

_META = "io.modelcontextprotocol/"
_ACCEPT = "application/json, text/event-stream"
_FAILED, _MISMATCH = -32603, -32020
_MOST = 64 << 20  # bytes of one answer: more than the hub sends
_AHEAD = 64  # lines that are read before they are sent
_CLOCKS = httpx2.Timeout(10, read=None)  # a call may take as long as the hub lets it
_AGAIN = (1.0, 30.0)  # seconds before a lost stream is opened again: at first, at most
Message = dict[str, Any]


def stdio(
    profile: str,
    *,
    mode: Annotated[str, Parameter(help="full, search or code, in place of the profile's own.")] = "",
    connection: Connection = Connection(),
) -> None:
    """Serve a profile on standard input and output, for an MCP client that takes a command and no address.

    Everything passes as it is, in both eras of the protocol; the command ends with its input.
    """
    url = f"{connection.url.rstrip('/')}/mcp/{quote(profile, safe='')}" + (f"?mode={quote(mode)}" if mode else "")
    headers = {"authorization": f"Bearer {connection.key}"} if connection.key else {}
    asyncio.run(_served(url, headers))


async def _served(url: str, headers: dict[str, str]) -> None:
    def put(line: bytes) -> None:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()

    client = httpx2.AsyncClient(headers=headers, timeout=_CLOCKS, trust_env=False)
    async with client as http, Bridge(http, url, put) as bridge:
        lines = _input(asyncio.get_running_loop())
        while line := await lines.get():
            await bridge.take(line)


def _input(loop: asyncio.AbstractEventLoop) -> "asyncio.Queue[bytes]":
    """The lines of standard input, then b"". The thread that waits for them is left behind when the command is stopped."""
    lines: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)

    def read() -> None:
        held = b""
        with contextlib.suppress(RuntimeError, CancelledError):  # the loop is closed: nobody reads on
            while data := os.read(0, 1 << 16):
                *whole, held = (held + data).split(b"\n")
                for line in (one + b"\n" for one in whole):
                    asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            for line in (held, b"") if held else (b"",):
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    threading.Thread(target=read, daemon=True).start()
    return lines


class Bridge:
    """Takes a client's lines and puts the hub's. An async context manager, which ends what still runs."""

    def __init__(self, http: httpx2.AsyncClient, url: str, put: Callable[[bytes], None]) -> None:
        self._http = http
        self._url = url
        self._put = put
        self._session: dict[str, str] = {}  # the headers that name it, once there is one
        self._running: dict[str, asyncio.Task[None]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(self, *fault: object) -> None:
        """End the calls that still run, and the session."""
        tasks = [*self._running.values(), *([self._listener] if self._listener else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            with contextlib.suppress(httpx2.HTTPError):
                await self._http.delete(self._url, headers=self._session, timeout=5)

    async def take(self, line: bytes) -> None:
        """Send on one line: a request beside the others, anything else in its turn."""
        if not line.strip():
            return
        try:
            message: Any = json.loads(line)
        except ValueError:
            self._refuse(None, -32700, "This line is no JSON.")
            return
        given: Message = message if isinstance(message, dict) else {}
        method, name = given.get("method"), json.dumps(given.get("id"))
        if method == "initialize":
            await self._begin(line, given)
        elif method is not None and "id" in given and name not in self._running:
            task = asyncio.create_task(self._passed(line, given))  # noqa: TID251 - ended by __aexit__
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))
        elif method == "notifications/cancelled" and not self._session:
            self._cancel(given)  # the modern era has no such message over HTTP: leaving says it
        else:
            await self._passed(line, given)

    def _cancel(self, message: Message) -> None:
        params = message.get("params")
        task = self._running.get(json.dumps(params.get("requestId"))) if isinstance(params, dict) else None
        if task is not None:
            task.cancel()

    async def _begin(self, line: bytes, message: Message) -> None:
        """A handshake: what the hub says of the session is kept, and its stream followed."""
        if self._listener is not None:
            self._listener.cancel()
        self._session = {}
        await self._passed(line, message)
        if self._session:
            self._listener = asyncio.create_task(self._listen())  # noqa: TID251 - ended by __aexit__

    async def _passed(self, line: bytes, message: Message) -> None:
        try:
            body = await self._sent(line, message, {})
            if message.get("method") == "tools/call" and body and _is_mismatch(body):
                body = await self._sent(line, message, await self._repeated(message))
        except httpx2.HTTPError as error:
            self._failed(message, f"There is no hub at {self._url}: {error or type(error).__name__}.")
        except UpstreamFailed as failure:
            self._failed(message, f"What is at {self._url} cannot be relayed: {failure.message}.")
        else:
            if body:
                self._put(_one_line(body))

    async def _sent(self, line: bytes, message: Message, more: dict[str, str]) -> bytes:
        """Send a line; the answer where it is one whole message, else b"": it was put, or there is none."""
        headers = {**self._headers(message), **more}
        async with self._http.stream("POST", self._url, content=line, headers=headers) as response:
            if "mcp-session-id" in response.headers:
                self._session = {"mcp-session-id": response.headers["mcp-session-id"]}
            kind = response.headers.get("content-type", "")
            if kind.startswith("text/event-stream"):
                await self._follow(response)
                return b""
            body = await _whole(response)
            if b'"jsonrpc"' in body:
                return _addressed(body, message) if response.status_code >= 400 else body
            if response.status_code >= 400:
                self._failed(message, _told(response, body))
            return b""

    async def _repeated(self, message: Message) -> dict[str, str]:
        """The arguments of a modern call that its tool wants repeated in headers: the client knows of no headers."""
        params, page = message["params"], {"_meta": message["params"].get("_meta")}
        raw = {"arguments": Raw(json.dumps(params.get("arguments") or {}).encode())}
        while True:
            asked = {"jsonrpc": "2.0", "id": "tools", "method": "tools/list", "params": page}
            response = await self._http.post(self._url, json=asked, headers=self._headers(asked))
            try:
                result = response.json()["result"]
                for tool in result["tools"]:
                    if tool["name"] == params.get("name"):
                        return dict(param_headers(mirrored_of(tool["inputSchema"]), raw))
                page["cursor"] = result["nextCursor"]
            except (ValueError, LookupError, TypeError):
                return {}

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {"accept": _ACCEPT, "content-type": "application/json"}
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        meta = params.get("_meta")
        version = meta.get(f"{_META}protocolVersion") if isinstance(meta, dict) else None
        if not isinstance(version, str):
            return headers | ({} if message.get("method") == "initialize" else self._session)
        headers |= {"mcp-protocol-version": version, "mcp-method": _header(message.get("method"))}
        named = params.get(NAMED_BY.get(str(message.get("method")), ""))
        return headers | ({"mcp-name": _header(named)} if isinstance(named, str) else {})

    def _failed(self, message: Message, text: str) -> None:
        """Something without an answer of the protocol's own: whoever waits is told."""
        if "id" in message and "method" in message:
            self._refuse(message["id"], _FAILED, text)
        else:
            print(text, file=sys.stderr)

    def _refuse(self, identifier: Any, code: int, text: str) -> None:
        error = {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": text}}
        self._put(json.dumps(error).encode())

    async def _follow(self, response: httpx2.Response) -> int:
        """Put the messages of a stream until it ends; how many there were. Raises UpstreamFailed for one that is too large."""
        events, count = Events(_MOST), 0
        async for chunk in response.aiter_bytes():
            for data in events.feed(chunk):
                if data.strip():
                    count += 1
                    self._put(_one_line(data.strip()))
        return count

    async def _listen(self) -> None:
        """What the hub says to the session on its own."""
        pause, longest = _AGAIN
        while True:
            with contextlib.suppress(httpx2.HTTPError, UpstreamFailed):
                headers = {"accept": "text/event-stream", **self._session}
                async with self._http.stream("GET", self._url, headers=headers) as response:
                    if response.status_code in (404, 405):
                        return
                    if await self._follow(response):
                        pause = _AGAIN[0]
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest)


def _addressed(body: bytes, message: Message) -> bytes:
    """An error from before the hub knew whose request it was, for the one who waits for it."""
    said: Any = json.loads(body)
    if "id" not in message or not isinstance(said, dict) or said.get("id") is not None:
        return body
    return json.dumps({**said, "id": message["id"]}).encode()


def _is_mismatch(body: bytes) -> bool:
    try:
        return json.loads(body)["error"]["code"] == _MISMATCH
    except (ValueError, LookupError, TypeError):
        return False


async def _whole(response: httpx2.Response) -> bytes:
    """The body of an answer. Raises UpstreamFailed when it is too large."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MOST:
            raise UpstreamFailed("upstream_protocol", f"its answer has more than {_MOST >> 20} MiB")
    return bytes(body)


def _one_line(message: bytes) -> bytes:
    """The same JSON without line breaks, which stand between its parts only."""
    return message.replace(b"\n", b" ").replace(b"\r", b" ")


def _header(value: Any) -> str:
    """A value as a header carries it; what no header can hold is left to the hub to refuse."""
    return encode_value(value.encode("utf-8", "replace").decode() if isinstance(value, str) else "")


def _told(response: httpx2.Response, body: bytes) -> str:
    """The sentence of an answer that is no message of the protocol."""
    try:
        said: Any = json.loads(body)
        detail = said.get("detail") or said["error"]["message"]
    except (ValueError, LookupError, TypeError, AttributeError):
        detail = ""
    return str(detail or f"The hub answers with HTTP status {response.status_code}.")
