"""The hub's one ASGI application: calls of models and tools to plain callables, everything else to Starlette."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from hub.core.ids import new_id
from hub.core.logs import get_logger
from hub.core.refusal import NotFound, Refusal
from hub.edge.body import CallerLeft, capped, check_length
from hub.edge.cycle import CYCLE, Cycle
from hub.edge.errors import refuse, request_id_of, shape_of
from hub.edge.familiar import familiar_of
from hub.edge.forwarded import Proxies
from hub.edge.guards import App, Guard, Receive, Scope, SecureHeaders, Send
from hub.edge.in_flight import InFlight, going_down
from hub.edge.origins import kept_request_id
from hub.edge.wire import internal

log = get_logger(__name__)

# Forms of a path that another program on the way may read as another path. Names of models and of servers in the
# registry hold slashes, which clients escape; nothing else does.
_ODD = re.compile(r"//|/\.{1,2}(?:/|$)|[\x00-\x1f\x7f\\]")
_ODD_ESCAPE = re.compile(rb"%(?:2f|5c|2e|25|[01][0-9a-f]|7f)", re.IGNORECASE)
_NAMES = (b"/v1/models/", b"/v1beta/models/", b"/model/", b"/registry/")


def is_odd(path: str, raw_path: bytes) -> bool:
    """Whether a path is written in a way that is not its plain one."""
    if not path.startswith("/") or _ODD.search(path):
        return True
    if b"%" not in raw_path:
        return False
    prefix = next((prefix for prefix in _NAMES if raw_path.startswith(prefix)), None)
    return prefix is None and _ODD_ESCAPE.search(raw_path) is not None


class Dispatch:
    """Decides by `scope["path"]` alone who answers, after the guards. Every error ends here as a response.

    `models` answers `/v1`, `/v1beta` and `/model`, `tools` answers `/mcp/{profile}`; both are plain ASGI callables that
    raise Refusal before they have sent anything. `pages` is the Starlette application, which also gets the
    lifespan; what it reads of a body is capped at `body_bytes`.
    """

    def __init__(
        self,
        *,
        models: App,
        tools: App,
        pages: App,
        guard: Guard,
        proxies: Proxies,
        in_flight: InFlight,
        body_bytes: int = 1 << 20,
    ) -> None:
        self._models = models
        self._tools = tools
        self._lifespan = pages
        self._pages = SecureHeaders(pages)
        self._guard = guard
        self._proxies = proxies
        self._in_flight = in_flight
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "lifespan":
            await _run_lifespan(self._lifespan, scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = (kept_request_id(given) if given else "") or f"req_{new_id()}"
        scope.setdefault("state", {})["request_id"] = request_id
        cycle: Cycle | None = scope.get("extensions", {}).get(CYCLE)
        noting = _Noting(send) if cycle is None else None
        refusal = await self._outcome(scope, headers, receive, noting or send)
        answer = cycle or noting
        if refusal is not None and answer is not None and not answer.response_started:
            await refuse(send, refusal, shape_of(scope["path"], headers), request_id)

    async def _outcome(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> Refusal | None:
        """Answer a request; what is returned is what it was refused with."""
        try:
            await self._answer(scope, headers, receive, send)
        except CallerLeft:
            return None
        except asyncio.CancelledError:
            if not self._in_flight.draining.is_set():
                raise
            return going_down()
        except Refusal as refusal:
            return refusal
        except Exception:
            log.exception(
                "request failed", request_id=request_id_of(scope), method=scope["method"], path=scope["path"][:200]
            )
            return internal()
        return None

    async def _answer(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        familiar = familiar_of(scope)
        if familiar is None or not familiar.passed:
            self._pass(scope, headers)
            if familiar is not None:
                familiar.pass_as(scope)
        if path.startswith(("/v1/", "/v1beta/", "/model/")):
            await self._models(scope, receive, send)
        elif path.startswith("/mcp/"):
            await self._tools(scope, receive, send)
        else:
            check_length(headers, self._body_bytes)
            await self._pages(scope, capped(receive, self._body_bytes), send)

    def _pass(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Let a head through, its client and scheme corrected, or raise Refusal."""
        self._proxies.apply(scope)
        self._guard.check(scope, headers)
        if is_odd(scope["path"], scope.get("raw_path") or b""):
            raise NotFound("not_found", "There is nothing here: write the path plainly.")


class _Noting:
    """`send`, which notes whether an answer has begun, as a `Cycle` does by itself."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.response_started = False

    async def __call__(self, message: dict[str, Any]) -> None:
        self.response_started = True
        await self._send(message)


async def _run_lifespan(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application's lifespan. A refusal in it is told by its message; a traceback would hide it."""
    failed: dict[str, Any] = {}

    async def holding(message: dict[str, Any]) -> None:
        if message["type"].endswith(".failed"):
            failed.update(message)
        else:
            await send(message)

    try:
        await app(scope, receive, holding)
    except Refusal as refusal:
        await send({"type": failed.get("type", "lifespan.startup.failed"), "message": refusal.message})
    except BaseException:
        if failed:
            await send(failed)
        raise
