"""A refusal as a response, in the shape that the caller reads: one place for every error that leaves the hub."""

import html
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub.core.calls import Dialect
from hub.core.logs import get_logger
from hub.core.refusal import InvalidSpec, Refusal, Unauthenticated
from hub.dialect import bedrock_kind, error_body, gemini_error
from hub.edge.gemini_paths import is_call
from hub.edge.wire import Send, encoded, internal

log = get_logger(__name__)


class Shape(Enum):
    """How a caller reads errors."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    BEDROCK = "bedrock"
    JSON_RPC = "json-rpc"
    PROBLEM = "problem"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error response, ready to be sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_claude_code(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request is from Claude Code, by its name."""
    return headers.get(b"user-agent", b"").lower().startswith((b"claude-code", b"claude-cli"))


def speaks_anthropic(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a client of `/v1` is one of Anthropic's, by what it sends."""
    return b"anthropic-version" in headers or is_claude_code(headers)


def shape_of(path: str, headers: Mapping[bytes, bytes]) -> Shape:
    """The shape that belongs to a path; elsewhere a page for whoever asks for one, problem+json for programs."""
    if path.startswith("/v1/messages"):
        return Shape.ANTHROPIC
    if is_call(path):
        return Shape.GEMINI
    if path == "/v1" or path.startswith("/v1/"):
        return Shape.ANTHROPIC if path.startswith("/v1/models") and speaks_anthropic(headers) else Shape.OPENAI
    if path.startswith("/v1beta"):
        return Shape.GEMINI
    if path.startswith("/model/"):
        return Shape.BEDROCK
    if path.startswith("/mcp/"):
        return Shape.JSON_RPC
    if not path.startswith("/api/") and b"text/html" in headers.get(b"accept", b""):
        return Shape.PAGE
    return Shape.PROBLEM


def is_retryable(refusal: Refusal) -> bool:
    """Whether a client should send the same request again. Money that is spent does not come back by itself."""
    return refusal.retryable and refusal.code != "budget_exhausted"


# Where JSON-RPC and MCP have a number of their own for what happened; the rest is an error of the server (-32000).
_RPC_CODES: Mapping[int, int] = {400: -32600, 404: -32602, 413: -32600, 415: -32600, 500: -32603}


def json_rpc_error(refusal: Refusal, request_id: str, *, id_: bytes = b"null", code: int | None = None) -> bytes:
    """The refusal as a JSON-RPC error response. `id_` is the request's id as raw JSON, `code` overrides the number."""
    number = _RPC_CODES.get(refusal.status, -32000) if code is None else code
    data = {"code": refusal.code, "request_id": request_id}
    error = orjson.dumps({"code": number, "message": refusal.message, "data": data})
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id_, error)


def problem(refusal: Refusal, request_id: str) -> bytes:
    """The refusal as a problem document (RFC 9457), with our code, the request id and the faults of a spec."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(refusal.status),
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": request_id,
    }
    if isinstance(refusal, InvalidSpec):
        document["faults"] = [{"path": f.path, "message": f.message, "source": f.source} for f in refusal.faults]
    return orjson.dumps(document)


_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{status} {title} · hub</title>
  <link rel="stylesheet" href="/static/hub.css">
</head>
<body>
  <main id="main">
    <h1>{title}</h1>
    <p>{message}</p>
    <p><small>{status} <code>{code}</code> · request <code>{request_id}</code></small></p>
    <p><a href="/console">Back to the Console</a></p>
  </main>
</body>
</html>
"""


def page(refusal: Refusal, request_id: str) -> bytes:
    """The refusal as a page for people."""
    return _PAGE.format(
        status=refusal.status,
        title=html.escape(_phrase(refusal.status)),
        message=html.escape(refusal.message),
        code=html.escape(refusal.code),
        request_id=html.escape(request_id),
    ).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_BODIES: Mapping[Shape, tuple[str, Callable[[Refusal, str], bytes]]] = {
    Shape.OPENAI: ("application/json", lambda r, i: error_body(Dialect.OPENAI_CHAT, r, i)),
    Shape.ANTHROPIC: ("application/json", lambda r, i: error_body(Dialect.ANTHROPIC_MESSAGES, r, i)),
    Shape.GEMINI: ("application/json", gemini_error),
    Shape.BEDROCK: ("application/json", lambda r, i: error_body(Dialect.BEDROCK, r, i)),
    Shape.JSON_RPC: ("application/json", json_rpc_error),
    Shape.PROBLEM: ("application/problem+json", problem),
    Shape.PAGE: ("text/html; charset=utf-8", page),
}


def render(refusal: Refusal, shape: Shape, request_id: str) -> Rendered:
    """The whole response to a refusal."""
    kind, body = _BODIES[shape]
    headers = headers_of(refusal, shape, request_id) | {"content-type": kind}
    return Rendered(refusal.status, headers, body(refusal, request_id))


def headers_of(refusal: Refusal, shape: Shape, request_id: str) -> dict[str, str]:
    """The headers that go with a refusal, whatever its body: the id, when to retry and how to sign in."""
    headers = {"x-request-id": request_id, "cache-control": "no-store"}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(max(0, refusal.retry_after))
    if isinstance(refusal, Unauthenticated):
        headers["www-authenticate"] = refusal.headers.get("www-authenticate", 'Bearer realm="hub"')
    if shape is Shape.BEDROCK:
        headers["x-amzn-errortype"] = bedrock_kind(refusal.status, refusal.code)
    if shape in (Shape.ANTHROPIC, Shape.OPENAI) and not is_retryable(refusal):
        headers["x-should-retry"] = "false"
    if shape is Shape.ANTHROPIC and refusal.code == "budget_exhausted":
        headers |= budget_stop(refusal, time.time())
    return headers | dict(refusal.headers)


_PERIODS = {"day": "daily", "week": "weekly"}


def budget_stop(refusal: Refusal, now: float) -> dict[str, str]:
    """What Claude Code reads of a budget that is used up, so that it shows our words and when the money is back."""
    prefix = "anthropic-ratelimit-unified-"
    period = _PERIODS.get(refusal.headers.get("x-hub-budget-period", ""), "monthly")
    told = {
        "status": "rejected",
        "overage-utilization": "1",
        "overage-surpassed-threshold": "1",
        "overage-period": period,
        "overage-disabled-reason": "org_spend_cap_reached",
    }
    if refusal.retry_after is not None:
        reset = str(int(now + refusal.retry_after))
        told |= {"reset": reset, "overage-reset": reset}
    return {f"{prefix}{name}": value for name, value in told.items()}


async def refuse(send: Send, refusal: Refusal, shape: Shape, request_id: str) -> None:
    """Answer with a refusal. Nothing may have been sent before."""
    rendered = render(refusal, shape, request_id)
    headers = [*encoded(rendered.headers), (b"content-length", b"%d" % len(rendered.body))]
    await send({"type": "http.response.start", "status": rendered.status, "headers": headers})
    await send({"type": "http.response.body", "body": rendered.body})


def request_id_of(scope: Mapping[str, Any]) -> str:
    """The id of the request, as the dispatch has set it."""
    return scope.get("state", {}).get("request_id", "")


def _respond(request: Request, refusal: Refusal) -> Response:
    shape = shape_of(request.scope["path"], dict(request.scope["headers"]))
    rendered = render(refusal, shape, request_id_of(request.scope))
    return Response(rendered.body, rendered.status, dict(rendered.headers))


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _respond(request, error)


# What the router itself says no to.
_ROUTER = {
    404: (
        "not_found",
        "There is nothing here. /api/docs shows what the API answers, /console and /admin are the web apps.",
    ),
    405: ("method_not_allowed", "This address does not take that method."),
}


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _ROUTER.get(error.status_code, ("malformed", error.detail))
    return _respond(request, Refusal(code, message, status=error.status_code, headers=error.headers or {}))


async def _on_unexpected(request: Request, error: Exception) -> Response:
    return _respond(request, internal())


def exception_handlers() -> dict[Any, Callable[[Request, Exception], Any]]:
    """For `Starlette(exception_handlers=...)`: every error of the pages and of the management API."""
    return {Refusal: _on_refusal, HTTPException: _on_http, Exception: _on_unexpected}
