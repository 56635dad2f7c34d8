"""The doors, put together: the model endpoint, profiles, the management API, the web apps."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from hub.app.catalogues import catalogue_routes
from hub.app.diet import Diet
from hub.app.foresight import Foresight
from hub.app.listings import Listings
from hub.app.observed import Observed
from hub.app.profile_desk import ProfileDesk
from hub.app.programs import Programs
from hub.app.recording import Recording
from hub.core.inspection import Judges
from hub.core.principal import Principal
from hub.core.seals import Seals
from hub.edge import Dispatch, Guard, InFlight, ModelDesk, ModelsApi, OpsApi, Proxies, exception_handlers
from hub.edge.accounts_api import AccountsApi
from hub.edge.announcements_api import AnnouncementsApi
from hub.edge.auth_api import AuthApi
from hub.edge.catalogue_visitors import CatalogueVisitors
from hub.edge.challenge import base_of
from hub.edge.denials import Denials
from hub.edge.explain_api import ExplainApi
from hub.edge.gateway_api import GatewayApi
from hub.edge.guardrails_api import GuardrailsApi
from hub.edge.guards import App
from hub.edge.manage_api import ManageApi, Management
from hub.edge.mcp.api import McpApi
from hub.edge.mcp.replicas import Replicas
from hub.edge.oauth_api import Faces, OAuthApi
from hub.edge.oauth_clients import Clients
from hub.edge.own_api import OwnApi
from hub.edge.people_api import PeopleApi
from hub.edge.playground_api import PlaygroundApi
from hub.edge.profiles_api import ProfilesApi
from hub.edge.providers_api import ProvidersApi
from hub.edge.records import Records
from hub.edge.resources_api import ResourcesApi
from hub.edge.stops_api import StopsApi
from hub.edge.visitors import Visitors
from hub.identity import Identity, Passwords
from hub.model_path import ModelPath
from hub.provider_path import ProviderPath
from hub.routing import Health, RuleHits
from hub.settings import Settings
from hub.store import Actor, Dismissals, PasswordHashes, Resources, SignIns, Vault
from hub.tool_loop import ToolLoop
from hub.tool_path import ToolPath
from hub.ui import Pages, Sources
from hub.upstream import Endpoint, ProviderChecks, ServerSignIns


@dataclass(frozen=True, slots=True)
class Doors:
    """What the doors open onto."""

    settings: Settings
    resources: Resources
    vault: Vault
    identity: Identity
    sign_ins: SignIns
    dismissals: Dismissals
    server_sign_ins: ServerSignIns
    programs: Programs
    hashes: PasswordHashes
    passwords: Passwords
    judges: Judges
    recording: Recording
    diet: Diet
    observed: Observed
    profiles: ProfileDesk
    listings: Listings
    metrics: Callable[[], Awaitable[str]]
    in_flight: InFlight
    model_path: ModelPath
    tool_path: ToolPath
    provider_path: ProviderPath
    provider_checks: ProviderChecks
    transport: Endpoint
    forget_secrets: Callable[[], None]
    health: Health
    foresight: Foresight
    hits: RuleHits

    @property
    def ready(self) -> bool:
        """Whether new calls are welcome."""
        return not self.in_flight.draining.is_set() and self.recording.ledger.accepts


class _Links:
    """Makes sign-in links, each with an audit row."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def make(self, user: str, actor: Actor, address: str) -> dict[str, Any]:
        token, ends = await self._doors.sign_ins.make_link(user)
        await self._doors.resources.note(actor, "sign-in-link", detail=f"users/{user}", of=("users", user))
        return {"url": f"{address}/login?token={token}", "expires_at": datetime.fromtimestamp(ends, UTC).isoformat()}


def dispatch(doors: Doors) -> App:
    """The one ASGI application."""
    settings = doors.settings
    pages = _pages(doors)
    return Dispatch(
        models=ModelsApi(
            ModelDesk(
                path=_loop(doors),
                identity=doors.identity,
                snapshots=doors.resources.snapshot,
                in_flight=doors.in_flight,
                body_bytes=settings.model_body_bytes,
                provider_state=doors.health.provider,
                others=doors.provider_path,
            )
        ),
        tools=McpApi(
            doors.tool_path,
            doors.in_flight,
            seals=Seals(doors.vault.keys("mcp")),
            body_bytes=settings.mcp_body_bytes,
            public_url=settings.public_url,
            replicas=Replicas(doors.transport, settings.replica_url, doors.in_flight.draining.is_set),
        ),
        pages=cast("App", pages),
        guard=Guard(settings.hosts, settings.public_url, open_to_all=("/registry/",)),
        proxies=Proxies(settings.trusted_proxies),
        in_flight=doors.in_flight,
        body_bytes=settings.manage_body_bytes,
    )


def _loop(doors: Doors) -> ToolLoop:
    return ToolLoop(
        doors.model_path,
        doors.tool_path,
        identity=doors.identity,
        snapshots=doors.resources.snapshot,
        seals=Seals(doors.vault.keys("approvals")),
        public_url=doors.settings.public_url,
    )


def _records(doors: Doors, visitor: Callable[[Request], Awaitable[Principal]]) -> Records:
    recording = doors.recording
    return Records(
        queries=recording.queries,
        fares=recording.fares,
        sessions=recording.sessions,
        payloads=recording.payloads,
        tail=recording.tail,
        repricing=recording.repricing,
        feed=recording.feed,
        resources=doors.resources,
        visitor=visitor,
        diet=doors.diet.report,
        draining=doors.in_flight.draining.is_set,
    )


def _program_routes(
    doors: Doors,
    visitor: Callable[[Request], Awaitable[Principal]],
    address: Callable[[Request], str],
    faces: Faces,
    catalogue_token: Callable[[str], str],
) -> list[Route]:
    """The OAuth server, and what Claude Code asks of a gateway beside it."""
    programs, snapshots = doors.programs, doors.resources.snapshot
    oauth = OAuthApi(
        store=programs.store,
        tokens=programs.tokens,
        clients=Clients(programs.seals),
        seals=programs.seals,
        resources=doors.resources,
        visitor=visitor,
        address=address,
        faces=faces,
    )
    gateway = GatewayApi(doors.identity, snapshots, address, programs.tokens, catalogue_token, doors.observed.budget)
    return [*oauth.routes(), *gateway.routes()]


@dataclass(frozen=True, slots=True)
class _Instance:
    """What there is to tell of this hub."""

    doors: Doors

    async def told(self) -> dict[str, Any]:
        settings = self.doors.settings
        boundary = {
            "most": settings.data_boundary,
            "capture": settings.capture,
            "keep_bodies_days": settings.keep_bodies_days,
            "keep_entries_days": settings.keep_entries_days or None,
        }
        return {**await self.doors.observed.instance(), "data_boundary": boundary}


def _own(doors: Doors) -> OwnApi:
    observed = doors.observed
    return OwnApi(
        observed.profiles, observed.budget, observed.server_tools, doors.resources.find, doors.health.provider
    )


def _pages(doors: Doors) -> Starlette:
    observed = doors.observed
    visitors = Visitors(doors.identity, doors.sign_ins)

    async def visitor(request: Request) -> Principal:
        return await visitors.principal(request, doors.resources.snapshot())

    def address(request: Request) -> str:
        return base_of(request.scope, doors.settings.public_url)

    accounts = AccountsApi(doors.server_sign_ins, doors.resources, visitor, address)
    management = Management(
        resources=doors.resources,
        vault=doors.vault,
        visitors=visitors,
        resources_api=ResourcesApi(doors.resources, observed.statuses),
        records=_records(doors, visitor),
        own_api=_own(doors),
        announcements_api=AnnouncementsApi(doors.dismissals),
        people_api=PeopleApi(doors.resources, doors.sign_ins, doors.hashes, doors.passwords, doors.programs.store),
        stops_api=StopsApi(doors.resources),
        guardrails_api=GuardrailsApi(doors.judges),
        profiles_api=ProfilesApi(doors.profiles, doors.resources),
        providers_api=ProvidersApi(doors.resources, doors.provider_checks),
        playground_api=PlaygroundApi(doors.model_path, doors.tool_path, doors.in_flight),
        explain_api=ExplainApi(doors.foresight.of, doors.resources),
        server_status=observed.server,
        server_tools=observed.server_tools,
        instance=_Instance(doors).told,
        accounts_api=accounts,
        sign_in_link=_Links(doors).make,
        address=address,
        secrets_changed=doors.forget_secrets,
    )
    api = ManageApi(management)
    denials = Denials(doors.resources)
    sources = Sources(visitor=visitor, api=api.ask, offers=api.offers, address=address, denied=denials.note)
    ui = Pages(sources, doors.listings)
    ops = OpsApi(
        doors.metrics,
        lambda: doors.ready,
        doors.identity,
        doors.resources.snapshot,
        address,
        denials,
        doors.settings.metrics_open,
    )
    catalogue_visitors = CatalogueVisitors(visitors, doors.identity, doors.resources.snapshot, doors.programs.seals)
    return Starlette(
        routes=[
            *ops.routes(),
            *api.routes(),
            *AuthApi(doors.sign_ins, doors.resources, doors.passwords, ui.login).routes(),
            *accounts.pages(),
            *_program_routes(doors, visitor, address, Faces(ui.consent, ui.device), catalogue_visitors.token_of),
            *catalogue_routes(doors.listings, catalogue_visitors, address),
            *ui.routes(),
        ],
        exception_handlers=exception_handlers(),
    )
