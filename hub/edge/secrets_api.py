"""`/api/v1/secrets`: the vault's names and who uses them; values are written and forgotten, never read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Conflict, Fault, InvalidSpec, NotFound
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route, listed
from hub.identity import Permission
from hub.resources.uses import naming
from hub.store import Resources, Vault

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class SecretsApi:
    """The routes. `changed` is told after each change: credentials that were read are forgotten."""

    resources: Resources
    vault: Vault
    changed: Callable[[], None]

    async def _list(self, ask: Ask) -> Answer:
        specs = await self.resources.export()
        items = [
            {"name": name, "updated_at": at, "used_by": _users(specs, name)}
            for name, at in (await self.vault.written()).items()
        ]
        return listed(ask, items)

    async def _put(self, ask: Ask) -> Answer:
        name, body = ask.path("name"), mapping_of(ask.body, "value", "seen")
        value = body.get("value")
        if not _NAME.fullmatch(name):
            raise InvalidSpec([Fault(f"secrets.{name[:64]}", "not a name: at most 64 of a-z 0-9 . _ -")])
        if not isinstance(value, str) or not value or len(value) > _LONGEST:
            raise InvalidSpec([Fault(f"secrets.{name}", f"value is a text of at most {_LONGEST} characters")])
        if "seen" in body:
            _check_seen(name, body["seen"], (await self.vault.written()).get(name, ""))
        await self.vault.put(name, value, ask.actor)
        self.changed()
        return Answer({"name": name, "reference": f"vault:{name}"})

    async def _delete(self, ask: Ask) -> Answer:
        name = ask.path("name")
        if name not in await self.vault.written():
            raise NotFound("not_found", f"There is no secret '{name[:64]}' in the vault.")
        users = _users(await self.resources.export(), name)
        if users:
            raise InvalidSpec([Fault(f"{one['kind']}.{one['name']}", f"still names vault:{name}") for one in users])
        await self.vault.remove(name, ask.actor)
        self.changed()
        return Answer({"name": name, "removed": True})

    async def _rotate(self, ask: Ask) -> Answer:
        await self.resources.note(ask.actor, "rotate", detail="vault.key")
        return Answer({"rewrapped": await self.vault.rotate()})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        needs, one = Permission.SECRETS_WRITE, "/api/v1/secrets/{name}"
        about = "Names in the vault and what uses them, never values"
        yield Route("GET", "/api/v1/secrets", needs, about, self._list, "secrets", reply="Page")
        yield Route("PUT", one, needs, "Write a secret to the vault", self._put, "secrets", body="Secret")
        about = "Encrypt every secret of the vault anew, under a new key"
        yield Route("POST", "/api/v1/secrets/rotate", needs, about, self._rotate, "secrets")
        about = "Forget a secret of the vault; refused while a resource names it"
        yield Route("DELETE", one, needs, about, self._delete, "secrets")


def _check_seen(name: str, seen: Any, now: str) -> None:
    """Raise Conflict where a secret was written at another time than its writer has seen, "" being never."""
    if seen == now:
        return
    if not seen:
        raise Conflict("already_exists", f"There is a vault:{name} already. Replace that one, or choose another name.")
    what = "written" if now else "removed"
    raise Conflict("version_conflict", f"vault:{name} was {what} since you looked, and is as that left it. Look again.")


def _users(specs: dict[str, dict[str, dict[str, Any]]], name: str) -> list[dict[str, str]]:
    return [{"kind": kind, "name": own} for kind, own in naming(specs, f"vault:{name}")]
