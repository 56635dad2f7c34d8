"""The hashes of local users' passwords. Nothing here is ever shown."""

import time

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.store.tables import PASSWORD
from hub.store.transactions import reading, writing


class PasswordHashes:
    """Reads and writes the table `password`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, user: str) -> str | None:
        """The hash of a user's password, or None."""
        async with reading(self._engine) as connection:
            row = (await connection.execute(select(PASSWORD.c.hash).where(PASSWORD.c.user == user))).first()
        return None if row is None else str(row.hash)

    async def put(self, user: str, hashed: str | None) -> None:
        """Keep a hash in the place of the last one; None takes it away."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(PASSWORD).where(PASSWORD.c.user == user))
            if hashed is not None:
                await connection.execute(insert(PASSWORD), {"user": user, "hash": hashed, "changed_at": time.time()})
