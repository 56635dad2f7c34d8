"""Accounts at other services, encrypted, and under which names the hub is known there."""

import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.accounts import ANY, SHARED, Account, Registration
from hub.store.account_tables import AccountRow, RegistrationRow
from hub.store.vault import Vault

_ACCOUNT: Any = AccountRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_REGISTRATION: Any = RegistrationRow.__table__  # type: ignore[attr-defined]
_account = msgspec.json.Decoder(Account)
_registration = msgspec.json.Decoder(Registration)
_encode = msgspec.json.encode


class AccountRows:
    """See `hub.upstream.mcp.accounts.AccountStore`."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def find(self, server: str, owner: str) -> Account | None:
        """An account; of the owner `*` the one that was connected last and still is."""
        query = select(_ACCOUNT).where(_ACCOUNT.c.server == server)
        if owner == ANY:
            query = query.where(_ACCOUNT.c.broken == 0).order_by(_ACCOUNT.c.connected_at.desc()).limit(1)
        else:
            query = query.where(_ACCOUNT.c.owner == owner)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else self._opened(row)

    async def of(self, owner: str) -> list[Account]:
        """All accounts of an owner."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(_ACCOUNT).where(_ACCOUNT.c.owner == owner))).all()
        return [self._opened(row) for row in rows]

    async def everybody(self) -> list[Account]:
        """All accounts of all owners."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(_ACCOUNT))).all()
        return [self._opened(row) for row in rows]

    async def put(self, account: Account) -> Account:
        """Write one, in place of an older one; as it is written."""
        place = (_ACCOUNT.c.server == account.server) & (_ACCOUNT.c.owner == account.owner)
        async with self._engine.begin() as connection:
            old = (await connection.execute(select(_ACCOUNT.c.version).where(place))).scalar()
            connected = account.connected_at or datetime.now(UTC).isoformat()
            written = replace(account, version=(old or 0) + 1, connected_at=connected)
            key_id, nonce, ciphertext = self._vault.seal(_encode(written), _bound(written.server, written.owner))
            await connection.execute(delete(_ACCOUNT).where(place))
            row = {
                "server": written.server,
                "owner": written.owner,
                "version": written.version,
                "broken": int(bool(written.error)),
                "connected_at": connected,
                "claimed_until": 0,
                "key_id": key_id,
                "nonce": nonce,
                "ciphertext": ciphertext,
            }
            await connection.execute(insert(_ACCOUNT), row)
        return written

    async def claim(self, server: str, owner: str, version: int, seconds: float) -> bool:
        """Whether this caller alone may renew that version, for so long."""
        now = int(time.time() * 1000)
        query = (
            update(_ACCOUNT)
            .where(_ACCOUNT.c.server == server, _ACCOUNT.c.owner == owner, _ACCOUNT.c.version == version)
            .where(_ACCOUNT.c.claimed_until < now)
            .values(claimed_until=now + int(seconds * 1000))
        )
        async with self._engine.begin() as connection:
            return (await connection.execute(query)).rowcount == 1

    async def remove(self, server: str, owner: str) -> bool:
        """Forget an account; whether there was one."""
        query = delete(_ACCOUNT).where(_ACCOUNT.c.server == server, _ACCOUNT.c.owner == owner)
        async with self._engine.begin() as connection:
            return (await connection.execute(query)).rowcount > 0

    async def prune(self, users: Collection[str]) -> list[tuple[str, str]]:
        """Forget the accounts of everybody who is not one of `users`; the server and the owner of each."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(select(_ACCOUNT.c.server, _ACCOUNT.c.owner))).all()
            gone = [
                (r.server, r.owner) for r in rows if r.owner != SHARED and r.owner.removeprefix("user:") not in users
            ]
            for owner in {owner for _, owner in gone}:
                await connection.execute(delete(_ACCOUNT).where(_ACCOUNT.c.owner == owner))
        return gone

    def _opened(self, row: Any) -> Account:
        sealed = (row.key_id, bytes(row.nonce), bytes(row.ciphertext))
        return _account.decode(self._vault.unseal(sealed, _bound(row.server, row.owner)))

    # -- under which names -----------------------------------------------------------------------------------------

    async def registration(self, issuer: str, redirect: str) -> Registration | None:
        """What the hub is called at an authorization server, where it made itself known with this redirect address."""
        query = select(_REGISTRATION).where(_REGISTRATION.c.issuer == issuer, _REGISTRATION.c.redirect == redirect)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else self._registration_in(row)

    async def registrations(self) -> list[tuple[str, str, Registration]]:
        """Every authorization server that knows the hub, the redirect address that it was told, and the hub's name there."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(_REGISTRATION))).all()
        return [(row.issuer, row.redirect, self._registration_in(row)) for row in rows]

    def _registration_in(self, row: Any) -> Registration:
        sealed = (row.key_id, bytes(row.nonce), bytes(row.ciphertext))
        return _registration.decode(self._vault.unseal(sealed, _bound(row.issuer, row.redirect)))

    async def register(self, issuer: str, redirect: str, registration: Registration) -> None:
        """Remember it."""
        key_id, nonce, ciphertext = self._vault.seal(_encode(registration), _bound(issuer, redirect))
        row = {"issuer": issuer, "redirect": redirect, "key_id": key_id, "nonce": nonce, "ciphertext": ciphertext}
        async with self._engine.begin() as connection:
            place = (_REGISTRATION.c.issuer == issuer) & (_REGISTRATION.c.redirect == redirect)
            await connection.execute(delete(_REGISTRATION).where(place))
            await connection.execute(insert(_REGISTRATION), row)

    async def unregister(self, issuer: str) -> bool:
        """Forget it, at an authorization server that knows the hub no more; whether it was known."""
        async with self._engine.begin() as connection:
            done = await connection.execute(delete(_REGISTRATION).where(_REGISTRATION.c.issuer == issuer))
        return done.rowcount > 0


def _bound(one: str, other: str) -> str:
    return f"account|{one}|{other}"
