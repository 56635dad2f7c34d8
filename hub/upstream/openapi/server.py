"""A server that is an HTTP API with an OpenAPI document: its operations are tools."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgspec import DecodeError, Raw, json

from hub.core.logs import get_logger
from hub.core.plan import Timeouts
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.exchange import Exchange, read_whole
from hub.upstream.mcp.definitions import checked
from hub.upstream.mcp.http import forwarded
from hub.upstream.mcp.values import (
    CallerContext,
    Era,
    Pace,
    Ports,
    RpcReply,
    ServerDefinitions,
    ServerState,
    ServerStatus,
)
from hub.upstream.mcp.wire import INVALID_PARAMS, LATEST_MODERN, METHOD_NOT_FOUND, TOO_LARGE, too_large
from hub.upstream.openapi.document import MOST_DOCUMENT, NotADocument, parse_document
from hub.upstream.openapi.operations import Api, Operation, api_of
from hub.upstream.openapi.requests import ApiRequest, BadArgument, request_of
from hub.upstream.openapi.results import complaint, result_of

log = get_logger(__name__)

_KEPT = b"openapi "
_members = json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class _Served:
    """A document that was read: its operations by name, and where its API is."""

    operations: dict[str, Operation] = field(default_factory=dict[str, Operation])
    address: str = ""
    private: bool = False


class OpenApiServer:
    """Reads the document again and again, and keeps the last good one. `run` is its task."""

    def __init__(self, name: str, spec: ServerSpec, ports: Ports, pace: Pace, changed: Callable[[str], None]) -> None:
        self.name = name
        self.spec = spec
        self._ports = ports
        self._pace = pace
        self._changed = changed
        self._served = _Served()
        self._last = b""
        self._in_flight = 0
        self._places = asyncio.Semaphore(spec.parallel)
        self._task: asyncio.Task[None] | None = None
        self.definitions = ServerDefinitions(since=time.time())

    # -- the document ----------------------------------------------------------------------------------------------

    def recall(self, kept: bytes) -> None:
        """Begin with the document as it was last read, until it is read again."""
        head = _KEPT + self._identity() + b"\n"
        if kept.startswith(head):
            try:
                self._take(kept[len(head) :], ServerState.STALE)
            except UpstreamFailed:
                log.warning("a kept OpenAPI document cannot be read any more", server=self.name)

    async def run(self) -> None:
        """Read the document now and then, until cancelled."""
        self._task = asyncio.current_task()
        delay = self._pace.first_delay
        while True:
            try:
                data = await self._read()
                if data != self._last or self.definitions.state is not ServerState.READY:
                    self._take(data, ServerState.READY)
                    await self._ports.snapshots.save(self.name, _KEPT + self._identity() + b"\n" + data)
                delay = self._pace.refresh
            except (Refusal, OSError) as error:
                self._failed(error)
                delay = min(delay * 2, self._pace.ceiling) if delay < self._pace.refresh else self._pace.first_delay
            await asyncio.sleep(delay)

    def retire(self) -> None:
        """Stop reading. Calls that run have their answers."""
        if self._task is not None:
            self._task.cancel()

    def _identity(self) -> bytes:
        return hashlib.sha256(f"{self.spec.openapi}\n{self.spec.base_url}".encode()).hexdigest()[:16].encode()

    async def _read(self) -> bytes:
        where = self.spec.openapi or ""
        if not where.startswith(("http://", "https://")):
            return await asyncio.to_thread(_read_file, where)
        seconds = self.spec.timeouts.list
        clocks = Timeouts(connect=self.spec.timeouts.connect, first_byte=seconds, idle=seconds, total=seconds)
        exchange = Exchange("GET", where, (("Accept", "application/json, */*"),), b"", clocks, self.spec.allow_private)
        response = await self._ports.transport.request(exchange)
        try:
            if response.status != 200:
                raise UpstreamFailed(
                    "upstream_error", f"its OpenAPI document answers with HTTP status {response.status}"
                )
            return await read_whole(response, MOST_DOCUMENT)
        finally:
            response.close()

    def _take(self, data: bytes, state: ServerState) -> None:
        api = api_of(parse_document(data), self.spec.operations)
        listing = checked([Raw(operation.definition) for operation in api.operations])
        good = {tool.name for tool in listing.tools}
        address, private = self._where(api)
        self._served = _Served({one.name: one for one in api.operations if one.name in good}, address, private)
        self._last = data
        self.definitions = replace(
            self.definitions,
            tools=listing.tools,
            instructions=api.about,
            server_info=json.encode({"name": api.title or self.name, "version": "openapi"}),
            era=Era.MODERN,
            version=LATEST_MODERN,
            state=state,
            since=time.time(),
            error="",
            revision=self.definitions.revision + 1,
            rejected=(*api.rejected, *listing.rejected),
        )
        self._changed(self.name)

    def _where(self, api: Api) -> tuple[str, bool]:
        """Where the API is, and whether that may be a private address. Raises NotADocument.

        A document that came from elsewhere chooses neither who gets the credential nor what is private.
        """
        if self.spec.base_url is not None:
            return self.spec.base_url, self.spec.allow_private
        document = self.spec.openapi or ""
        remote = document.startswith("http")
        address = urljoin(document, api.address) if remote else api.address
        if not address.startswith(("http://", "https://")):
            raise NotADocument("does not say where its API is: write base_url")
        same = not remote or urlsplit(address)[:2] == urlsplit(document)[:2]
        if not same and (self.spec.auth is not None or self.spec.headers):
            raise NotADocument("names an API on another host than its own: write base_url to send credentials there")
        return address, self.spec.allow_private and same

    def _failed(self, error: Refusal | OSError) -> None:
        message = error.message if isinstance(error, Refusal) else f"its document cannot be read: {error.strerror}"
        state = ServerState.STALE if self._served.operations else ServerState.FAILED
        if (state, message) != (self.definitions.state, self.definitions.error):
            self.definitions = replace(self.definitions, state=state, since=time.time(), error=message)
            self._changed(self.name)

    # -- calls -----------------------------------------------------------------------------------------------------

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """Answer one request. Raises Unavailable or UpstreamFailed."""
        if method != "tools/call":
            return _error(METHOD_NOT_FOUND, f"there is no method '{method}' here")
        try:
            members = _members.decode(params)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            return _error(INVALID_PARAMS, "the params are no JSON object")
        operation = self._served.operations.get(str(members.get("name")))
        if operation is None:
            if self.definitions.state is ServerState.FAILED:
                raise Unavailable("upstream_error", f"Server '{self.name}' is not ready: {self.definitions.error}")
            return _error(INVALID_PARAMS, "there is no such tool")
        try:
            request = request_of(operation, members.get("arguments") or {})
        except BadArgument as error:
            return RpcReply(result=complaint(f"{operation.name}: {error}"), era=Era.MODERN)
        self._in_flight += 1
        try:
            async with self._places:
                return RpcReply(result=await self._send(request, caller), era=Era.MODERN)
        finally:
            self._in_flight -= 1

    async def _send(self, request: ApiRequest, caller: CallerContext) -> bytes:
        served = self._served
        seconds = self.spec.timeouts.call
        if caller.deadline is not None:
            seconds = max(0.001, min(seconds, caller.deadline - time.monotonic()))
        clocks = Timeouts(connect=self.spec.timeouts.connect, first_byte=seconds, idle=seconds, total=seconds)
        headers = {name.lower(): (name, value) for name, value in request.headers}
        forward = tuple((name.lower().encode(), other or name) for name, other in self.spec.forward.items())
        headers |= {name.lower(): (name, value) for name, value in forwarded(forward, caller)}
        headers |= {name.lower(): (name, value) for name, value in (await self._own_headers()).items()}
        exchange = Exchange(
            request.method,
            served.address.rstrip("/") + "/" + request.target.lstrip("/"),
            tuple(headers.values()),
            request.body,
            clocks,
            served.private,
            resend=request.method in ("GET", "HEAD", "OPTIONS"),
        )
        response = await self._ports.transport.request(exchange)
        try:
            body = await read_whole(response, caller.most, TOO_LARGE, too_large)
            return result_of(response.status, response.headers, body)
        finally:
            response.close()

    async def _own_headers(self) -> dict[str, str]:
        """The headers that the resource says, with its secrets filled in. Raises Refusal."""
        made: dict[str, str] = {}
        for name, value in self.spec.headers.items():
            is_reference = value.startswith(("env:", "vault:", "file:")) and not value.startswith("file://")
            made[name] = await self._ports.resolve(value) if is_reference else value
        auth = self.spec.auth
        if auth is not None and auth.secret is not None:
            secret = await self._ports.resolve(auth.secret)
            if auth.type == "bearer":
                made["Authorization"] = f"Bearer {secret}"
            else:
                made[auth.header or ""] = secret
        return made

    def status(self) -> ServerStatus:
        """How it does."""
        known = self.definitions
        return ServerStatus(
            name=self.name,
            transport="openapi",
            state=known.state,
            since=known.since,
            era=known.era,
            version=known.version,
            server_info=known.server_info,
            last_error=known.error,
            in_flight=self._in_flight,
            tools=len(known.tools),
            rejected=known.rejected,
        )


def _read_file(where: str) -> bytes:
    path = Path(where)
    if not path.is_file():
        raise UpstreamFailed(
            "upstream_error", f"there is no file {where}; a relative path is relative to the YAML file"
        )
    if path.stat().st_size > MOST_DOCUMENT:
        raise NotADocument(f"has more than {MOST_DOCUMENT >> 20} MiB")
    return path.read_bytes()


def _error(code: int, message: str) -> RpcReply:
    return RpcReply(error=json.encode({"code": code, "message": message}), era=Era.MODERN)
