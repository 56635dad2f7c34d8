"""Programs that users sign in, put together: where their sign-ins are kept."""

import asyncio
import contextlib
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.refusal import Unavailable
from hub.core.seals import Seals
from hub.identity import ACCESS_SECONDS, AccessTokens
from hub.store import OAuthStore, Vault

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
            with contextlib.suppress(Unavailable):  # asked again in a moment
                await self.store.refresh(ACCESS_SECONDS)
            await asyncio.sleep(_FOLLOW_SECONDS)


async def open_programs(engine: AsyncEngine, vault: Vault) -> Programs:
    """What programs are signed in."""
    store, seals = OAuthStore(engine), Seals(vault.keys("oauth"))
    await store.refresh(ACCESS_SECONDS)
    return Programs(store, AccessTokens(seals, store), seals)
