"""One's own exports: where the traces of a person's calls go, or those of a team's, in their own collector."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Fault, InvalidSpec, NotFound
from hub.edge.connections_api import (
    MOST_CHARACTERS,
    Owner,
    asked_owner,
    changes_of,
    check_free,
    check_seen,
    name_of,
    one_line,
    person_of,
)
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission, teams_with
from hub.resources import parse
from hub.store import Resource, Resources, Vault

# What people say of their own; the rest would reach further than their calls.
_FIELDS = ("endpoint", "protocol", "auth", "api_key_header", "service_name", "sample", "enabled")
_AUTHS = ("none", "bearer", "basic", "api_key")


@dataclass(frozen=True, slots=True)
class OwnExportsApi:
    """The routes below `/api/v1/me/exports`: one export for oneself, and one for each team that one owns.

    `status` tells what is observed of a resource; `changed` is told when a secret was written.
    """

    resources: Resources
    vault: Vault
    status: Callable[[str, Resource], Awaitable[dict[str, Any]]]
    changed: Callable[[], None]

    async def _list(self, ask: Ask) -> Answer:
        held, owned = await self._held(), teams_with(ask.principal, Permission.KEYS_WRITE)
        owners: list[Owner] = [
            ("user", person_of(ask)),
            *(("team", team) for team in sorted(ask.principal.roles) if team),
        ]
        return listed(
            ask,
            [
                {
                    "owner": {owner[0]: owner[1]},
                    "may_change": owner[0] == "user" or owned is None or owner[1] in owned,
                    "export": await self._told(held.get(owner)),
                }
                for owner in owners
            ],
        )

    async def _put(self, ask: Ask) -> Answer:
        body = mapping_of(ask.body)
        unknown = sorted(set(body) - {*_FIELDS, "team", "value", "version"})
        if unknown:
            raise InvalidSpec([Fault(unknown[0][:64], f"no field of an own export; fields here: {', '.join(_FIELDS)}")])
        if body.get("auth", "none") not in _AUTHS:
            raise InvalidSpec([Fault("auth", f"one of: {', '.join(_AUTHS)}")])
        if not isinstance(body.get("endpoint"), str):
            raise InvalidSpec([Fault("endpoint", "the address of a collector is missing")])
        owner = asked_owner(ask, body.get("team"))
        found = (await self._held()).get(owner)
        check_free(found)
        check_seen(found, body)
        name = found.name if found else name_of("traces", owner)
        spec: dict[str, Any] = {
            "format": "otlp",
            "owner": {owner[0]: owner[1]},
            **{field: body[field] for field in _FIELDS if field in body},
        }
        if found is not None and found.spec.get("endpoint") == spec.get("endpoint") and found.spec.get("allow_private"):
            spec["allow_private"] = True  # an administrator has said so, for this address
        value = ""
        if body.get("auth", "none") != "none":
            value, spec["secret"] = _secret(name, body, found)
        parse("exports", name, spec)  # before anything is written
        if value:
            await self.vault.put(name, value, ask.actor)
        written = await self.resources.put(
            "exports", name, spec, ask.actor, expected_version=found.version if found else 0
        )
        if found is not None and found.spec.get("secret") == f"vault:{name}" and "secret" not in spec:
            await self.vault.remove(name, ask.actor)
        self.changed()
        return Answer({"owner": spec["owner"], "export": await self._told(written.resource)})

    async def _delete(self, ask: Ask) -> Answer:
        held, team = await self._held(), ask.query("team") or None
        if team is None and ("user", person_of(ask)) not in held:
            raise NotFound("not_found", "None of your own traces are sent anywhere.")
        owner = asked_owner(ask, team)
        found = held.get(owner)
        if found is None:
            raise NotFound("not_found", f"Nothing is exported for {owner[0]} '{owner[1]}'.")
        check_free(found)
        await self.resources.delete("exports", found.name, ask.actor)
        if found.spec.get("secret") == f"vault:{found.name}":
            await self.vault.remove(found.name, ask.actor)
        self.changed()
        return Answer({"owner": {owner[0]: owner[1]}, "export": None})

    async def _told(self, resource: Resource | None) -> dict[str, Any] | None:
        """An own export as its owner may see it: the secret stays where it is."""
        if resource is None:
            return None
        told = {field: resource.spec[field] for field in _FIELDS if field in resource.spec}
        return {
            **told,
            **changes_of(resource),
            "status": await self.status("exports", resource),
        }

    async def _held(self) -> dict[Owner, Resource]:
        """Every own export, by its owner."""
        found: dict[Owner, Resource] = {}
        for resource in await self.resources.of_kind("exports"):
            owner = resource.spec.get("owner")
            if owner:
                found[next(iter(owner.items()))] = resource
        return found

    def routes(self) -> Iterator[Route]:
        """The rows."""
        path, mine = "/api/v1/me/exports", Permission.SELF
        yield Route(
            "GET", path, mine, "Where traces of your own and your teams' calls go", self._list, "people", reply="Page"
        )
        yield Route(
            "PUT", path, mine, "Send traces of your own calls, or of your `team`'s, to a collector", self._put,
            "people", body="OwnExport",
        )  # fmt: skip
        yield Route(
            "DELETE", path, mine, "Send them no more", self._delete, "people",
            query=(Query("team", "that team's instead of your own"),),
        )  # fmt: skip


def _secret(name: str, body: dict[str, Any], found: Resource | None) -> tuple[str, str]:
    """The secret to write, "" where it stays as it is, and its reference. It goes to no other address than it was given for."""
    if body.get("value") not in (None, ""):
        return one_line("value", "the secret", body["value"], MOST_CHARACTERS), f"vault:{name}"
    if found is None or not found.spec.get("secret"):
        raise InvalidSpec([Fault("value", "the secret that the collector asks for is missing")])
    if found.spec.get("endpoint") != body.get("endpoint"):
        raise InvalidSpec([Fault("value", "give the secret again: it is not sent to another address than it was for")])
    return "", str(found.spec["secret"])
