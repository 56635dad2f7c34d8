"""The management API: route rows in, one Starlette application out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.routing import compile_path

from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Malformed, NotFound, Refusal, TooLarge
from hub.edge.accounts_api import AccountsApi
from hub.edge.announcements_api import AnnouncementsApi
from hub.edge.audit_api import AuditApi
from hub.edge.changes_api import ChangesApi
from hub.edge.connections_api import ConnectionsApi
from hub.edge.denials import Denials
from hub.edge.explain_api import ExplainApi
from hub.edge.fares_api import FaresApi
from hub.edge.guardrails_api import GuardrailsApi
from hub.edge.ledger_api import LedgerApi
from hub.edge.model_search_api import ModelSearchApi
from hub.edge.openapi import document
from hub.edge.own_api import OwnApi
from hub.edge.own_exports_api import OwnExportsApi
from hub.edge.people_api import PeopleApi
from hub.edge.playground_api import PlaygroundApi
from hub.edge.profiles_api import ProfilesApi
from hub.edge.providers_api import ProvidersApi
from hub.edge.reconcile_api import ReconcileApi
from hub.edge.records import Records
from hub.edge.resources_api import ResourcesApi
from hub.edge.routes import Answer, Ask, Route, listed
from hub.edge.secrets_api import SecretsApi
from hub.edge.server_clients_api import ServerClientsApi
from hub.edge.stops_api import StopsApi
from hub.edge.usage_api import UsageApi
from hub.edge.visitors import Visitors
from hub.identity import TABLE, Permission, require, teams_with
from hub.store import Actor, Resources, Vault

MAX_BODY = 1024 * 1024


async def read_json(request: Request) -> Any:
    """The JSON body of a request, or None when it has none. Raises TooLarge or Malformed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLarge("body_too_large", f"The management API reads at most {MAX_BODY} bytes.")
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("malformed", f"The body is not JSON: {str(error)[:200]}") from None


@dataclass(frozen=True, slots=True)
class Management:
    """What the management API works on."""

    resources: Resources
    vault: Vault
    visitors: Visitors
    resources_api: ResourcesApi
    records: Records
    own_api: OwnApi
    announcements_api: AnnouncementsApi
    people_api: PeopleApi
    stops_api: StopsApi
    guardrails_api: GuardrailsApi
    profiles_api: ProfilesApi
    providers_api: ProvidersApi
    playground_api: PlaygroundApi
    explain_api: ExplainApi
    accounts_api: AccountsApi
    server_status: Callable[[str], Awaitable[dict[str, Any]]]
    server_tools: Callable[[str], list[dict[str, Any]]]
    instance: Callable[[], Awaitable[dict[str, Any]]]
    sign_in_link: Callable[[str, Actor, str], Awaitable[dict[str, Any]]]
    address: Callable[[Request], str]
    secrets_changed: Callable[[], None]


def principal_view(principal: Principal) -> dict[str, Any]:
    """Who the caller is, as they may know it."""
    return {
        "id": principal.id,
        "kind": principal.kind,
        "key": principal.key or None,
        "user": principal.user or None,
        "team": principal.team or None,
        "roles": {team or "*": role for team, role in principal.roles.items()},
        "permissions": sorted({p for role in principal.roles.values() for p in TABLE[role]}),
    }


class ManageApi:
    """All routes of `/api`, each with its permission checked before its endpoint runs."""

    def __init__(self, management: Management) -> None:
        self._m = management
        self.rows: tuple[Route, ...] = tuple(self._rows())
        self._patterns = [(row, compile_path(row.path)[0]) for row in self.rows]

    @cached_property
    def _document(self) -> bytes:
        return orjson.dumps(document(self.rows))  # 0.1 s, for the few who ask

    def _rows(self) -> Iterator[Route]:
        m = self._m
        for api in (
            LedgerApi(m.records), UsageApi(m.records), FaresApi(m.records), ChangesApi(m.records), ReconcileApi(m.records),
            AuditApi(m.records), m.own_api, m.profiles_api, m.people_api, m.stops_api, m.guardrails_api,
            m.playground_api, m.explain_api, m.providers_api, m.announcements_api, m.accounts_api,
            ServerClientsApi(m.accounts_api.sign_ins, m.resources, m.address),
            ConnectionsApi(m.resources, m.vault, m.secrets_changed),
            OwnExportsApi(m.resources, m.vault, m.resources_api.status, m.secrets_changed),
            SecretsApi(m.resources, m.vault, m.secrets_changed), ModelSearchApi(),
        ):  # fmt: skip
            yield from api.routes()
        yield Route("GET", "/api/v1/me", Permission.SELF, "Who am I, and what may I do?", self._me, "people")
        about = "This hub: version, addresses, state"
        yield Route("GET", "/api/v1/instance", Permission.PLATFORM_READ, about, self._instance, "instance")
        yield Route(
            "GET",
            "/api/v1/servers/{name}/status",
            Permission.PLATFORM_READ,
            "What is observed of a server",
            self._server_status,
            "servers",
        )
        yield Route(
            "GET",
            "/api/v1/servers/{name}/tools",
            Permission.PLATFORM_READ,
            "The tools of a server under their own names, as last seen",
            self._server_tools,
            "servers",
            reply="Page",
        )
        yield Route(
            "POST",
            "/api/v1/users/{name}/sign-in-link",
            Permission.PEOPLE_WRITE,
            "Make a one-time sign-in link",
            self._sign_in_link,
            "users",
        )
        yield from self._m.resources_api.routes()
        yield Route("GET", "/api/openapi.json", Permission.PUBLIC, "This document", self._openapi, "instance")

    async def _me(self, ask: Ask) -> Answer:
        return Answer(principal_view(ask.principal))

    async def _instance(self, ask: Ask) -> Answer:
        return Answer(await self._m.instance())

    async def _server_status(self, ask: Ask) -> Answer:
        if ask.path("name") not in ask.snapshot.servers:
            raise NotFound("not_found", f"There is no server '{ask.path('name')[:64]}'.")
        return Answer(await self._m.server_status(ask.path("name")))

    async def _server_tools(self, ask: Ask) -> Answer:
        if ask.path("name") not in ask.snapshot.servers:
            raise NotFound("not_found", f"There is no server '{ask.path('name')[:64]}'.")
        return listed(ask, self._m.server_tools(ask.path("name")))

    async def _sign_in_link(self, ask: Ask) -> Answer:
        name = ask.path("name")
        if name not in ask.snapshot.users:
            raise NotFound("not_found", f"There is no user '{name[:64]}' who may sign in.")
        return Answer(await self._m.sign_in_link(name, ask.actor, self._m.address(ask.request)))

    async def _openapi(self, ask: Ask) -> Answer:
        return Answer(self._document)

    def routes(self) -> list[StarletteRoute]:
        """The rows as Starlette routes."""
        return [StarletteRoute(row.path, self._guarded(row), methods=[row.method]) for row in self.rows]

    def _guarded(self, row: Route) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            answer = await self._answer(row, request, "api", read_json)
            if answer.app is not None:
                return cast("Response", answer.app)  # Starlette runs whatever takes scope, receive and send
            headers = {"cache-control": "no-store", **dict(answer.headers)}
            if isinstance(answer.data, AsyncIterator):
                return StreamingResponse(answer.data, answer.status, headers, media_type=answer.media)
            data = answer.data if isinstance(answer.data, bytes) else orjson.dumps(answer.data)
            return Response(data, answer.status, headers, media_type=answer.media)

        return handle

    async def _answer(
        self, row: Route, request: Request, source: str, read: Callable[[Request], Awaitable[Any]]
    ) -> Answer:
        """Run a route for whoever asks: permission first, then the query and the body, then its endpoint."""
        snapshot = self._m.resources.snapshot()
        principal = await self._m.visitors.principal(request, snapshot)
        actor = Actor(principal.id, source=source, address=request.client.host if request.client else "")
        try:
            self._check(row, principal)
            row.check_query(request)
            body = await read(request) if row.method in ("POST", "PUT") else None
            return await row.endpoint(Ask(request, principal, actor, snapshot, body))
        except Refusal as refusal:
            await Denials(self._m.resources).note(request, principal, refusal, source)
            raise

    async def ask(
        self, request: Request, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """What a route answers to the visitor of a page: the same checks, audit rows and data as over HTTP.

        `request` is the page's; `path` is not escaped. Raises Refusal.
        """
        row, params = self._find(method, path)
        scope = {**request.scope, "method": method, "path": path, "query_string": urlencode(query or {}).encode()}

        async def given(_: Request) -> Any:
            return body

        # The page's own method has passed the check against forged requests; a page that only shows may not change.
        if method != "GET" and request.method in ("GET", "HEAD"):
            raise Forbidden("forbidden", "A page that is only looked at changes nothing.")
        return (await self._answer(row, Request({**scope, "path_params": params}), "ui", given)).data

    def offers(self, method: str, path: str) -> bool:
        """Whether there is such a route at all."""
        return any(row.method == method and pattern.fullmatch(path) for row, pattern in self._patterns)

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        for row, pattern in self._patterns:
            found = pattern.fullmatch(path) if row.method == method else None
            if found is not None:
                return row, found.groupdict()
        raise NotFound("not_found", f"There is no {method} {path[:200]}.")

    def _check(self, row: Route, principal: Principal) -> None:
        if row.also is not None and teams_with(principal, row.also) != frozenset():
            return
        require(principal, row.permission)


def route_rows() -> tuple[Route, ...]:
    """The rows of the table, for those who only read it: their endpoints lead nowhere."""
    nowhere: Any = None
    management = Management(
        resources=nowhere,
        vault=nowhere,
        visitors=nowhere,
        resources_api=ResourcesApi(nowhere, nowhere),
        records=nowhere,
        own_api=OwnApi(nowhere, nowhere, nowhere, nowhere, nowhere),
        announcements_api=AnnouncementsApi(nowhere),
        people_api=PeopleApi(nowhere, nowhere, nowhere, nowhere, nowhere),
        stops_api=StopsApi(nowhere),
        guardrails_api=GuardrailsApi(nowhere),
        profiles_api=ProfilesApi(nowhere, nowhere),
        providers_api=ProvidersApi(nowhere, nowhere),
        playground_api=PlaygroundApi(nowhere, nowhere, nowhere),
        explain_api=ExplainApi(nowhere, nowhere),
        accounts_api=AccountsApi(nowhere, nowhere, nowhere, nowhere),
        server_status=nowhere,
        server_tools=nowhere,
        instance=nowhere,
        sign_in_link=nowhere,
        address=nowhere,
        secrets_changed=nowhere,
    )
    return ManageApi(management).rows
