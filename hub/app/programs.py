"""Programs that users sign in, put together: where their sign-ins are kept, and the routes that they take."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.routing import Route

from hub.app.observed import Observed
from hub.core.principal import Principal
from hub.core.seals import Seals
from hub.edge.gateway_api import GatewayApi
from hub.edge.oauth_api import Faces, OAuthApi
from hub.edge.oauth_clients import Clients
from hub.identity import ACCESS_SECONDS, AccessTokens, Identity
from hub.store import OAuthStore, Resources, Vault

_FOLLOW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Programs:
    """What the sign-in of programs works with."""

    store: OAuthStore
    tokens: AccessTokens
    seals: Seals

    async def follow(self) -> None:
        """Learn of the sign-ins that other replicas have ended, for as long as the hub runs."""
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):  # asked again in a moment
                await self.store.refresh(ACCESS_SECONDS)
            await asyncio.sleep(_FOLLOW_SECONDS)


async def open_programs(engine: AsyncEngine, vault: Vault) -> Programs:
    """What programs are signed in."""
    store, seals = OAuthStore(engine), Seals(vault.derive("oauth"))
    await store.refresh(ACCESS_SECONDS)
    return Programs(store, AccessTokens(seals, store), seals)


class Doors(Protocol):
    """What the routes need of the hub."""

    @property
    def programs(self) -> Programs: ...  # noqa: D102 - said above
    @property
    def resources(self) -> Resources: ...  # noqa: D102 - said above
    @property
    def identity(self) -> Identity: ...  # noqa: D102 - said above
    @property
    def observed(self) -> Observed: ...  # noqa: D102 - said above


def program_routes(
    doors: Doors,
    visitor: Callable[[Request], Awaitable[Principal]],
    address: Callable[[Request], str],
    faces: Faces,
    catalogue_token: Callable[[str], str],
) -> list[Route]:
    """The OAuth server, and what Claude Code asks of a gateway beside it."""
    programs = doors.programs
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
    budget: Callable[[str], Awaitable[dict[str, Any]]] = doors.observed.budget
    gateway = GatewayApi(doors.identity, doors.resources.snapshot, address, programs.tokens, catalogue_token, budget)
    return [*oauth.routes(), *gateway.routes()]
