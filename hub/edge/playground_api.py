"""Trying things out: a model call and a tool call for whoever is asking, through the same paths as every other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from msgspec.structs import replace

from hub.core.calls import Credentials, Dialect, ModelRequest, Origin, Reply, ToolCall
from hub.core.ids import new_id
from hub.core.refusal import Malformed
from hub.dialect import error_event
from hub.edge.credentials import presented
from hub.edge.errors import request_id_of
from hub.edge.guards import App, Receive, Scope, Send
from hub.edge.in_flight import InFlight
from hub.edge.origins import origin_of
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route
from hub.edge.wire import carry
from hub.identity import Permission
from hub.tool_path import ToolPath
from hub.upstream import CallerContext

DOOR = "playground"


class ModelPath(Protocol):
    """What carries a call of a model through the stages."""

    async def run(self, request: ModelRequest) -> Reply:
        """Carry the call. Raises Refusal; the reply owns what was opened for it."""
        ...


@dataclass(frozen=True, slots=True)
class PlaygroundApi:
    """The routes below `/api/v1/playground`: limits, budgets, guardrails and the ledger hold as everywhere."""

    models: ModelPath
    tools: ToolPath
    in_flight: InFlight

    async def _chat(self, ask: Ask) -> Answer:
        """A chat completion. What is answered is what the model endpoint would answer, streamed or not."""
        scope = ask.request.scope
        request = ModelRequest(
            dialect=Dialect.OPENAI_CHAT,
            body=orjson.dumps(mapping_of(ask.body)),
            origin=_origin(ask),
            credentials=credentials_of(ask),
            route=ask.request.headers.get("x-hub-route", "").strip()[:200],
            receipt=True,
        )
        return Answer(None, app=self._carrying(request, request_id_of(scope)))

    def _carrying(self, request: ModelRequest, request_id: str) -> App:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with self.in_flight.watch(scope, receive) as exchange:
                await carry(
                    self.models.run(request),
                    send,
                    exchange,
                    last_words=lambda refusal: error_event(request.dialect, refusal, request_id),
                    request_id=request_id,
                )

        return app

    async def _tool(self, ask: Ask) -> Answer:
        body = mapping_of(ask.body, "tool", "arguments")
        tool, arguments = body.get("tool"), body.get("arguments", {})
        if not isinstance(tool, str) or not isinstance(arguments, dict):
            raise Malformed("malformed", 'Say which tool and with what: {"tool": NAME, "arguments": {...}}.')
        visit = self.tools.visit(ask.path("name"), credentials_of(ask))
        call = ToolCall(new_id(), visit.view.name, tool, orjson.dumps(arguments), _origin(ask))
        reply = (await self.tools.call(visit, call, CallerContext(visit.principal))).reply
        return Answer({"call": call.id, "result": _raw(reply.result), "error": _raw(reply.error)})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        yield Route(
            "POST",
            "/api/v1/playground/chat",
            Permission.SELF,
            "Call a model as yourself: an OpenAI chat completion, streamed when it says so",
            self._chat,
            "playground",
            body="Chat",
        )
        yield Route(
            "POST",
            "/api/v1/playground/tools/{name}",
            Permission.SELF,
            "Call a tool of a profile as yourself",
            self._tool,
            "playground",
            body="ToolTry",
        )


def credentials_of(ask: Ask) -> Credentials:
    """The key that came with the request, else the person whose sign-in it is."""
    given = presented(ask.request.scope)
    return given if given.secret else replace(given, user=ask.principal.user)


def _origin(ask: Ask) -> Origin:
    scope = ask.request.scope
    return replace(origin_of(scope, dict(scope["headers"]), request_id_of(scope)), door=DOOR)


def _raw(json: bytes | None) -> Any:
    return None if json is None else orjson.loads(json)
