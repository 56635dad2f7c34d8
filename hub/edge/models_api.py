"""`/v1`: calls of models in each dialect, and the list of those that a key may call."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from msgspec.structs import replace

from hub.core.calls import Credentials, Dialect, ModelRequest, Origin, Reply
from hub.core.principal import Principal
from hub.core.refusal import NotFound, Refusal
from hub.dialect import error_event, framed
from hub.edge import bedrock_paths
from hub.edge.body import CallerLeft, arrived, check_length, declared_length, read_any, read_body, read_form
from hub.edge.credentials import presented
from hub.edge.errors import is_claude_code, request_id_of, speaks_anthropic
from hub.edge.familiar import familiar_of
from hub.edge.gemini_paths import PREFIX as GEMINI_MODELS
from hub.edge.gemini_paths import Aim, aim_of, gemini_list, gemini_model, is_call
from hub.edge.guards import Receive, Scope, Send
from hub.edge.in_flight import InFlight
from hub.edge.model_lists import (
    anthropic_list,
    anthropic_model,
    codex_list,
    discoverable,
    openai_list,
    openai_model,
    query_of,
)
from hub.edge.origins import origin_of
from hub.edge.provider_status import status_view
from hub.edge.wire import carry
from hub.identity import Identity
from hub.provider_path import METHODS, ProviderPath, ProviderRequest, other_headers
from hub.resources import Snapshot
from hub.routing import ProviderState, VisibleModel, visible_model, visible_models

CALLS: Mapping[str, Dialect] = {
    "/v1/chat/completions": Dialect.OPENAI_CHAT,
    "/v1/messages": Dialect.ANTHROPIC_MESSAGES,
    "/v1/messages/count_tokens": Dialect.ANTHROPIC_COUNT,
    "/v1/responses": Dialect.OPENAI_RESPONSES,
    "/v1/completions": Dialect.OPENAI_COMPLETIONS,
    "/v1/embeddings": Dialect.OPENAI_EMBEDDINGS,
    "/v1/images/generations": Dialect.OPENAI_IMAGES,
    "/v1/audio/speech": Dialect.OPENAI_SPEECH,
    "/v1/audio/transcriptions": Dialect.OPENAI_TRANSCRIPTIONS,
    "/v1/moderations": Dialect.OPENAI_MODERATIONS,
    "/v1/rerank": Dialect.RERANK,
}
MODELS = "/v1/models"
STATUS = "/v1/status"
PROVIDERS = "/v1/providers/"  # any other path of a provider
# Where Claude Code sends what it measures when a gateway signs it in: taken, and not kept.
TELEMETRY = frozenset({"/v1/metrics", "/v1/logs", "/v1/traces"})
BODY_BYTES = 20 << 20
# A body beyond this is read only for a key that is good.
_UNASKED_BYTES = 64 << 10

# Headers that belong to the provider, and others that nobody here knows: they survive where the provider speaks the
# caller's dialect. Which organisation pays belongs to the credential, so it goes with the caller's own and not with
# the hub's.
_FOR_PROVIDERS = (b"anthropic-", b"openai-", b"x-goog-", b"x-gemini-")
_NOT_FOR_PROVIDERS = frozenset({b"x-goog-api-key", b"anthropic-dangerous-direct-browser-access", b"openai-intent"})
_WITH_OWN_CREDENTIAL = frozenset({b"openai-organization", b"openai-project", b"x-goog-user-project"})


# What is said to the hub and not behind it: who calls and from where, credentials, and what programs on the way and
# the callers' own tell of themselves.
_STAYS = re.compile(
    rb"x-(?:hub|stainless|forwarded|original|real-ip|request-id|correlation-id|envoy|b3|cloud|datadog|amzn?|ms|azure|vercel"
    rb"|cf|csrf|xsrf|requested-with|http-method|github|codex|claude-code|initiator|app|client)(?:-|$)"
    rb"|.*(?:key|token|secret|auth|cookie|credential|session|passw|user|email|tenant)"
)


_READERS = {Dialect.OPENAI_TRANSCRIPTIONS: read_form}


def _form(dialect: Dialect, fields: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """The header that says where the parts of a form begin."""
    if dialect not in _READERS:
        return ()
    return (("content-type", fields.get(b"content-type", b"").decode("latin-1")),)


class ModelPath(Protocol):
    """What carries a call of a model through the stages."""

    async def run(self, request: ModelRequest) -> Reply:
        """Carry the call. Raises Refusal; the reply owns what was opened for it."""
        ...


@dataclass(frozen=True, slots=True)
class ModelDesk:
    """What the model endpoint works with. `body_bytes` is the largest request body, `provider_state` tells of one."""

    path: ModelPath
    identity: Identity
    snapshots: Callable[[], Snapshot]
    in_flight: InFlight
    provider_state: Callable[[str], ProviderState]
    others: ProviderPath
    body_bytes: int = BODY_BYTES


def provider_headers(headers: Sequence[tuple[bytes, bytes]], given: Credentials) -> tuple[tuple[str, str], ...]:
    """The headers of a request that go on to the provider, such as betas, known or not."""
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if (name.startswith(_FOR_PROVIDERS) or (name[:2] == b"x-" and not _STAYS.match(name)))
        and name not in _NOT_FOR_PROVIDERS
        and (given.upstream is not None or name not in _WITH_OWN_CREDENTIAL)
    )


class ModelsApi:
    """A plain ASGI callable for all under `/v1/`, `/v1beta/` and `/model/`. Raises Refusal before it has sent anything."""

    def __init__(self, desk: ModelDesk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        dialect = CALLS.get(path)
        if dialect is not None:
            _check_method(scope, "POST")
            await self._call(Aim(dialect, "", stream=False), scope, receive, send)
        elif path.startswith(bedrock_paths.PREFIX):
            _check_method(scope, "POST")
            bedrock_paths.check_unsigned(dict(scope["headers"]))
            await self._call(bedrock_paths.aim_of(path), scope, receive, send)
        elif is_call(path) or (path.startswith(f"{GEMINI_MODELS}/") and scope["method"] == "POST"):
            _check_method(scope, "POST")
            await self._call(aim_of(path, scope["query_string"]), scope, receive, send)
        elif path == GEMINI_MODELS or path.startswith(f"{GEMINI_MODELS}/"):
            _check_method(scope, "GET", "HEAD")
            await self._list_for_gemini(path.removeprefix(GEMINI_MODELS)[1:], scope, send)
        elif path == MODELS or path.startswith(f"{MODELS}/"):
            _check_method(scope, "GET", "HEAD")
            await self._list(path.removeprefix(MODELS)[1:], scope, send)
        elif path.startswith(PROVIDERS):
            await self._other_path(scope, receive, send)
        elif path in TELEMETRY:
            _check_method(scope, "POST")
            self._desk.identity.resolve(self._desk.snapshots(), presented(scope))
            await read_body(receive, dict(scope["headers"]), self._desk.body_bytes)
            await _send_json({}, scope, send)
        elif path == STATUS:
            _check_method(scope, "GET", "HEAD")
            snapshot = self._desk.snapshots()
            principal = self._desk.identity.resolve(snapshot, presented(scope)).principal
            await _send_json(status_view(snapshot, principal, self._desk.provider_state), scope, send)
        else:
            raise _unknown(path)

    async def _call(self, aim: Aim, scope: Scope, receive: Receive, send: Send) -> None:
        desk, dialect = self._desk, aim.dialect
        given, familiar = presented(scope), familiar_of(scope)
        fields = given.arrival.fields
        length = declared_length(fields)
        body: bytes | None = None
        if not given.secret or length is None or length > _UNASKED_BYTES:
            desk.identity.resolve(desk.snapshots(), given)
        elif familiar is not None and familiar.asked is not None and length <= desk.body_bytes:
            body = arrived(scope)
        if body is None:
            body = await _READERS.get(dialect, read_body)(receive, fields, desk.body_bytes)
        request_id = request_id_of(scope)
        origin = origin_of(scope, fields, request_id)
        asked = (familiar.asked if familiar is not None else None) or _asked(aim, scope, origin, given)
        if familiar is not None:
            familiar.asked = asked
        answer = desk.path.run(replace(asked, body=body, origin=origin, credentials=given))
        in_frames = dialect is Dialect.BEDROCK

        def last_words(refusal: Refusal) -> bytes:
            event = error_event(dialect, refusal, request_id)
            return framed(event) if in_frames else event

        with desk.in_flight.watch(scope, receive) as exchange:
            await carry(
                bedrock_paths.in_frames(answer) if in_frames else answer,
                send,
                exchange,
                last_words=last_words,
                request_id=request_id,
            )

    async def _other_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A call of any other path of a provider: `/v1/providers/{provider}/{path}`."""
        desk = self._desk
        _check_method(scope, *METHODS)
        provider, _, rest = scope["raw_path"].decode("ascii").removeprefix(PROVIDERS).partition("/")
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        given = presented(scope)
        fields = given.arrival.fields
        desk.identity.resolve(desk.snapshots(), given)
        check_length(fields, desk.body_bytes)
        request_id = request_id_of(scope)
        request = ProviderRequest(
            provider=provider,
            method=scope["method"],
            path=rest,
            query=scope["query_string"].decode("latin-1"),
            headers=other_headers(fields, provider_headers(headers, given)),
            body=await read_any(receive, desk.body_bytes),
            origin=origin_of(scope, fields, request_id),
            credentials=given,
        )
        with desk.in_flight.watch(scope, receive) as exchange:
            await carry(
                desk.others.run(request),
                send,
                exchange,
                last_words=_cut,
                request_id=request_id,
            )

    async def _list(self, name: str, scope: Scope, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        fields = dict(headers)
        snapshot = self._desk.snapshots()
        principal = self._desk.identity.resolve(snapshot, presented(scope)).principal
        anthropic = speaks_anthropic(fields)
        query = query_of(scope["query_string"])
        if name:
            found = _found(snapshot, principal, name)
            answer = anthropic_model(found) if anthropic else openai_model(found)
        else:
            answer = self._listed(snapshot, principal, query, fields)
        await _send_json(answer, scope, send)

    async def _list_for_gemini(self, name: str, scope: Scope, send: Send) -> None:
        snapshot = self._desk.snapshots()
        principal = self._desk.identity.resolve(snapshot, presented(scope)).principal
        found = gemini_model(_found(snapshot, principal, name)) if name else None
        await _send_json(found or gemini_list(visible_models(snapshot, principal)), scope, send)

    def _listed(
        self,
        snapshot: Snapshot,
        principal: Principal,
        query: Mapping[str, Sequence[str]],
        fields: Mapping[bytes, bytes],
    ) -> dict[str, Any]:
        models = visible_models(snapshot, principal)
        if speaks_anthropic(fields):
            return anthropic_list(discoverable(models) if is_claude_code(fields) else models, query)
        return codex_list(models) if "client_version" in query else openai_list(models)


def _asked(aim: Aim, scope: Scope, origin: Origin, given: Credentials) -> ModelRequest:
    """A call of a model as its head says it, without its body."""
    fields = given.arrival.fields
    return ModelRequest(
        dialect=aim.dialect,
        body=b"",
        origin=origin,
        credentials=given,
        headers=(*provider_headers(given.arrival.headers, given), *_form(aim.dialect, fields)),
        # Gemini's names the format of the answer, which the hub decides, and may hold the caller's key.
        query="" if aim.model else scope["query_string"].decode("latin-1"),
        model=aim.model,
        stream=aim.stream,
        route=fields.get(b"x-hub-route", b"").decode("latin-1").strip()[:200],
        receipt=fields.get(b"x-hub-receipt", b"") == b"1",
    )


def _cut(refusal: Refusal) -> bytes:
    """What ends an answer of unknown form that broke off: the connection, so that nobody takes it for whole."""
    raise CallerLeft from refusal


def _found(snapshot: Snapshot, principal: Principal, name: str) -> VisibleModel:
    found = visible_model(snapshot, principal, name)
    if found is None:
        raise NotFound(
            "model_not_found", f"There is no model '{name[:100]}' that this key may call. GET {MODELS} lists those."
        )
    return found


def _check_method(scope: Scope, *allowed: str) -> None:
    if scope["method"] not in allowed:
        names = ", ".join(allowed)
        raise Refusal("method_not_allowed", f"{scope['path']} takes {names}.", status=405, headers={"allow": names})


def _unknown(path: str) -> NotFound:
    shown = path[:100]
    return NotFound(
        "not_found",
        f"There is no {shown}. Known here: {', '.join((*CALLS, MODELS, STATUS))}. Other paths of a provider that an "
        f"administrator has opened (other_paths) are under {PROVIDERS}PROVIDER/.",
    )


async def _send_json(answer: dict[str, Any], scope: Scope, send: Send) -> None:
    body = orjson.dumps(answer)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"private, no-store"),
        (b"x-request-id", request_id_of(scope).encode("latin-1")),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
