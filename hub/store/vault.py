"""The vault: secrets encrypted at rest, written once through any door, never read back through one."""

import contextlib
import hmac
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.ids import made_at, new_id
from hub.core.rarely import Part, load
from hub.core.refusal import Refusal
from hub.core.seals import Keys
from hub.store.account_tables import AccountRow, RegistrationRow
from hub.store.audit import AuditTrail
from hub.store.ledger_tables import PayloadRow
from hub.store.private_files import read_private, write_private
from hub.store.records import Actor
from hub.store.tables import VaultRow

_TABLE: Any = VaultRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_ACCOUNT: Any = AccountRow.__table__  # type: ignore[attr-defined]
_REGISTRATION: Any = RegistrationRow.__table__  # type: ignore[attr-defined]
_PAYLOAD: Any = PayloadRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
# How long a key that was replaced goes on opening what clients keep: nothing that ends is made for longer.
KEPT_SECONDS = 30 * 86_400.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The vault's own keys (AES-256), newest first: the first one encrypts, all of them decrypt."""

    keys: tuple[tuple[str, bytes], ...]

    @classmethod
    def load(cls, file: Path) -> "KeyRing":
        """Read the ring, or make it (mode 0600). Raises Refusal `vault_key` when the file is not a ring."""
        if not file.exists():
            ring = cls(((new_id(), os.urandom(32)),))
            ring.save(file)
            return ring
        try:
            raw = orjson.loads(read_private(file))
            keys = tuple((str(item["id"]), bytes.fromhex(item["key"])) for item in raw["keys"])
        except (ValueError, KeyError, TypeError):
            raise Refusal("vault_key", f"{file} is not a key ring. Restore it from your backup.") from None
        if not keys or any(len(key) != 32 for _, key in keys):
            raise Refusal("vault_key", f"{file} is not a key ring. Restore it from your backup.")
        return cls(keys)

    def save(self, file: Path) -> None:
        """Write the ring so that it is there whole or not at all."""
        write_private(file, orjson.dumps({"keys": [{"id": name, "key": key.hex()} for name, key in self.keys]}))

    def with_new(self) -> "KeyRing":
        """The ring with a new first key."""
        return KeyRing(((new_id(), os.urandom(32)), *self.keys))

    def without_old(self, used: set[str], now: float) -> "KeyRing":
        """The ring without the keys that were replaced long ago, but for those that are `used`."""
        replaced = [now, *(made_at(name) for name, _ in self.keys)]  # each by the one before it
        kept = [one for one, at in zip(self.keys, replaced, strict=False) if one[0] in used or at > now - KEPT_SECONDS]
        return KeyRing(tuple(kept))

    def key(self, name: str) -> bytes | None:
        """The key of that id."""
        return dict(self.keys).get(name)


@lru_cache(maxsize=16)
def _derived(ring: KeyRing, label: str) -> tuple[bytes, ...]:
    """The keys for one use: always the same object, as long as the ring is the same."""
    return tuple(hmac.digest(key, b"derived|" + label.encode(), "sha256") for _, key in ring.keys)


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> Any:
    """For secrets of the vault."""
    return load(Part.CIPHERS).Cipher(key)


@lru_cache(maxsize=8)
def _other_cipher(key: bytes) -> Any:
    """For what is not a secret of the vault: one key never does two jobs."""
    ciphers = load(Part.CIPHERS)
    return ciphers.Cipher(ciphers.derived(key, b"hub sealed data"))


def _bound(name: str, version: int) -> bytes:
    """What a ciphertext is bound to (its AAD), so that a row cannot take another's place."""
    return f"vault|{name}|{version}".encode()


class Vault:
    """AES-256-GCM over a key ring, in the table `vault_secret`."""

    def __init__(
        self, engine: AsyncEngine, ring_file: Path, audit: AuditTrail, now: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._file = ring_file
        self._ring = KeyRing.load(ring_file)
        self._written = ring_file.stat().st_mtime_ns
        self._audit = audit
        self._now = now
        self._looked = now()

    def derive(self, label: str) -> bytes:
        """A key of 32 bytes for one use, named by `label`: it tells nothing of the vault's own keys."""
        return _derived(self._ring, label)[0]

    def keys(self, label: str) -> Keys:
        """What tells such keys of all the vault's own, newest first, for what is to open after a rotation."""

        def told() -> Sequence[bytes]:
            if self._now() - self._looked > _LOOK_SECONDS:
                self._look()
            return _derived(self._ring, label)

        return told

    def _look(self) -> None:
        """Take the ring that another worker, or a person, has put in place of the one that is known."""
        self._looked = self._now()
        with contextlib.suppress(OSError, Refusal):  # else it stays the known one
            when = self._file.stat().st_mtime_ns
            if when != self._written:
                self._ring, self._written = KeyRing.load(self._file), when

    def _sealed(self, name: str, version: int, value: str) -> dict[str, Any]:
        key_id, key = self._ring.keys[0]
        nonce = os.urandom(12)
        ciphertext = _cipher(key).encrypt(nonce, value.encode(), _bound(name, version))
        return {
            "name": name,
            "version": version,
            "key_id": key_id,
            "nonce": nonce,
            "ciphertext": ciphertext,
            "updated_at": datetime.now(UTC).isoformat(),
        }

    def _opened(self, row: Any) -> str:
        key = self._key(row.key_id)
        try:
            if key is None:
                raise ValueError(row.key_id)
            return _cipher(key).decrypt(row.nonce, row.ciphertext, _bound(row.name, row.version)).decode()
        except ValueError:
            raise Refusal(
                "vault_damaged", f"The secret vault:{row.name} does not open with this hub's keys. Write it again."
            ) from None

    def _key(self, name: str) -> bytes | None:
        """The key of that id; another worker may have made it a moment ago."""
        if self._ring.key(name) is None:
            self._look()
        return self._ring.key(name)

    def seal(self, data: bytes, bound_to: str) -> tuple[str, bytes, bytes]:
        """Encrypt what the hub keeps elsewhere: (key id, nonce, ciphertext), which only opens in its own place."""
        key_id, key = self._ring.keys[0]
        nonce = os.urandom(12)
        return key_id, nonce, _other_cipher(key).encrypt(nonce, data, bound_to.encode())

    def unseal(self, sealed: tuple[str, bytes, bytes], bound_to: str) -> bytes:
        """What `seal` encrypted. Raises Refusal `vault_damaged`."""
        key_id, nonce, ciphertext = sealed
        key = self._key(key_id)
        try:
            if key is None:
                raise ValueError(key_id)
            return _other_cipher(key).decrypt(nonce, ciphertext, bound_to.encode())
        except ValueError:
            raise Refusal(
                "vault_damaged", "This was encrypted with a key that the hub no longer has, or it was changed."
            ) from None

    async def put(self, name: str, value: str, actor: Actor) -> None:
        """Write a secret, replacing an older one."""
        async with self._audit.transaction() as connection:
            old = (await connection.execute(select(_TABLE.c.version).where(_TABLE.c.name == name))).scalar()
            await connection.execute(delete(_TABLE).where(_TABLE.c.name == name))
            await connection.execute(insert(_TABLE), self._sealed(name, (old or 0) + 1, value))
            await self._audit.append(connection, actor, "secret", detail=f"vault:{name}")

    async def remove(self, name: str, actor: Actor) -> None:
        """Forget a secret; one that is not there is none."""
        async with self._audit.transaction() as connection:
            await connection.execute(delete(_TABLE).where(_TABLE.c.name == name))
            await self._audit.append(connection, actor, "secret-removed", detail=f"vault:{name}")

    async def get(self, name: str) -> str:
        """The secret, for the hub's own use. Raises Refusal `secret_missing` or `vault_damaged`."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(_TABLE).where(_TABLE.c.name == name))).first()
        if row is None:
            raise Refusal("secret_missing", f"There is no secret vault:{name}. Write it with: hub secret set {name}")
        return self._opened(row)

    async def names(self) -> list[str]:
        """The names in the vault, sorted."""
        async with self._engine.connect() as connection:
            return list((await connection.execute(select(_TABLE.c.name).order_by(_TABLE.c.name))).scalars())

    async def written(self) -> dict[str, str]:
        """When each secret was written last, by its name, in the order of the names."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(_TABLE.c.name, _TABLE.c.updated_at).order_by(_TABLE.c.name))
            return {row.name: row.updated_at for row in rows}

    async def rotate(self) -> int:
        """Encrypt every secret anew under a new key; returns how many. Safe to stop at any moment and call again.

        The new key is on disk before the first row uses it. An old one leaves when no row uses it any more, and what
        clients keep under it has ended.
        """
        self._look()
        self._take(self._ring.with_new())
        done = 0
        for name in await self.names():
            async with self._engine.begin() as connection:
                row = (await connection.execute(select(_TABLE).where(_TABLE.c.name == name))).first()
                if row is None or row.key_id == self._ring.keys[0][0]:
                    continue
                sealed = self._sealed(row.name, row.version, self._opened(row))
                await connection.execute(update(_TABLE).where(_TABLE.c.name == name).values(**sealed))
                done += 1
        self._take(self._ring.without_old(await self._used_keys(), self._now()))
        return done

    def _take(self, ring: KeyRing) -> None:
        ring.save(self._file)
        self._ring, self._written = ring, self._file.stat().st_mtime_ns

    async def _used_keys(self) -> set[str]:
        used: set[str] = set()
        async with self._engine.connect() as connection:
            # Bodies and accounts are not wrapped anew: their keys stay until they are gone, or were renewed.
            for table in (_TABLE, _PAYLOAD, _ACCOUNT, _REGISTRATION):
                found: Sequence[str] = (await connection.execute(select(table.c.key_id).distinct())).scalars().all()
                used.update(found)
        return used
