"""One's own provider credentials: a person's, or a team's, kept in the vault and used instead of the hub's."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Conflict, Fault, Forbidden, InvalidSpec, NotFound
from hub.edge.resources_api import mapping_of, seen_version
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission, require, teams_with
from hub.routing import visible_models
from hub.store import Resource, Resources, Vault
from hub.store.records import file_of, managed

MOST_CHARACTERS = 65_536
_READABLE = 46  # characters of a name that say what it is; the rest makes it the only one
Owner = tuple[str, str]  # "user" or "team", and the name


@dataclass(frozen=True, slots=True)
class ConnectionsApi:
    """The routes below `/api/v1/me/connections`. Only providers that one's models lead to are there."""

    resources: Resources
    vault: Vault
    changed: Callable[[], None]

    async def _list(self, ask: Ask) -> Answer:
        person, held = person_of(ask), await self._held()
        owned = sorted(teams_with(ask.principal, Permission.KEYS_WRITE) or ())
        mine = sorted({*ask.principal.roles} - {""})
        items = [
            {
                "provider": name,
                "title": ask.snapshot.providers[name].spec.title,
                "kind": ask.snapshot.providers[name].spec.kind,
                "own": _told(held.get((name, ("user", person)))),
                "teams": [
                    {"team": team, "may_change": team in owned, "own": _told(held.get((name, ("team", team))))}
                    for team in mine
                ],
                "hub": bool(ask.snapshot.providers[name].deployment("").secret),
            }
            for name in self._reachable(ask)
        ]
        return listed(ask, items)

    async def _put(self, ask: Ask) -> Answer:
        provider, body = self._provider(ask), mapping_of(ask.body, "value", "team", "version")
        owner = asked_owner(ask, body.get("team"))
        value = one_line("value", "the provider's key", body.get("value"), MOST_CHARACTERS)
        found = (await self._held()).get((provider, owner))
        check_free(found)
        check_seen(found, body)
        name = found.name if found else name_of(provider, owner)
        spec = {
            "kind": ask.snapshot.providers[provider].spec.kind,
            "instead_of": provider,
            "owner": {owner[0]: owner[1]},
            "api_key": f"vault:{name}",
        }
        await self.vault.put(name, value, ask.actor)
        await self.resources.put("providers", name, spec, ask.actor, expected_version=found.version if found else 0)
        self.changed()
        return Answer({"provider": provider, "owner": {owner[0]: owner[1]}, "connected": True})

    async def _delete(self, ask: Ask) -> Answer:
        provider, owner = self._provider(ask), asked_owner(ask, ask.query("team") or None)
        found = (await self._held()).get((provider, owner))
        if found is None:
            raise NotFound("not_found", f"There is no credential of {owner[0]} '{owner[1]}' for '{provider}'.")
        await self.resources.delete("providers", found.name, ask.actor)
        await self.vault.remove(found.name, ask.actor)
        self.changed()
        return Answer({"provider": provider, "owner": {owner[0]: owner[1]}, "connected": False})

    def _reachable(self, ask: Ask) -> list[str]:
        """The providers that the caller's models lead to, those inside the hub aside."""
        models = visible_models(ask.snapshot, ask.principal)
        names = {target.partition("/")[0] for model in models for target in model.targets}
        return sorted(
            name for name in names if name in ask.snapshot.providers and not ask.snapshot.providers[name].row.local
        )

    def _provider(self, ask: Ask) -> str:
        name = ask.path("name")
        if name not in self._reachable(ask):
            raise NotFound("not_found", f"There is no provider '{name[:64]}' behind a model that you may call.")
        return name

    async def _held(self) -> dict[tuple[str, Owner], Resource]:
        """Every own credential, by the provider that it stands for and its owner."""
        found: dict[tuple[str, Owner], Resource] = {}
        for resource in await self.resources.of_kind("providers"):
            owner = resource.spec.get("owner")
            if owner:
                found[resource.spec["instead_of"], next(iter(owner.items()))] = resource
        return found

    def routes(self) -> Iterator[Route]:
        """The rows."""
        path, mine = "/api/v1/me/connections", Permission.SELF
        yield Route(
            "GET", path, mine, "The providers that your models lead to, and whose credential is used", self._list,
            "people", reply="Page",
        )  # fmt: skip
        yield Route(
            "PUT", f"{path}/{{name}}", mine, "Use a credential of your own, or of your `team`, for a provider",
            self._put, "people", body="Connection",
        )  # fmt: skip
        yield Route(
            "DELETE", f"{path}/{{name}}", mine, "Use the hub's credential again", self._delete,
            "people", query=(Query("team", "that team's instead of your own"),),
        )  # fmt: skip


def one_line(field: str, what: str, given: Any, most: int) -> str:
    """A secret that somebody pasted, without the space around it. Raises InvalidSpec."""
    if not isinstance(given, str) or not given.strip() or len(given) > most or not given.strip().isprintable():
        raise InvalidSpec([Fault(field, f"{what}: one line of at most {most} characters")])
    return given.strip()


def asked_owner(ask: Ask, team: Any) -> Owner:
    """Whose it is: the caller's own, or a team's whose keys they may make. Raises Forbidden, or NotFound."""
    person = person_of(ask)
    if ask.principal.kind != "user":
        raise Forbidden("forbidden", "Sign in yourself: a key does not say whose this is.")
    if team is None:
        return "user", person
    if not isinstance(team, str) or team not in ask.snapshot.teams:
        raise NotFound("not_found", f"There is no team '{str(team)[:64]}' of yours.")
    require(ask.principal, Permission.KEYS_WRITE, team)
    return "team", team


def person_of(ask: Ask) -> str:
    """The name of the person who asks. Raises Forbidden for a key of nobody."""
    if not ask.principal.user:
        raise Forbidden("forbidden", "Connections belong to people, and this key belongs to nobody. Sign in.")
    return ask.principal.user


def check_free(found: Resource | None) -> None:
    """Raise Conflict where a file manages it: before anything is written, since the vault knows of no files."""
    if found is not None and (file := file_of(found.managed_by)):
        raise Conflict("managed_by_file", f"'{file}' manages this. Change it there.")


def check_seen(found: Resource | None, body: Mapping[str, Any]) -> None:
    """Raise Conflict where a body says another version than there is: before anything is written, as above."""
    seen, now = seen_version(body), found.version if found else 0
    if seen is None or seen == now:
        return
    who = f"{found.updated_by} has changed it since" if found else "somebody has removed it since"
    raise Conflict("version_conflict", f"You have seen version {seen} of this, and {who}. Look at it anew.")


def changes_of(resource: Resource) -> dict[str, Any]:
    """Who wrote what somebody has of their own, and when, and the version to say when it is written again."""
    return {
        "resource": resource.name,
        "version": resource.version,
        "changed_at": resource.updated_at.isoformat(),
        "changed_by": resource.updated_by,
        **managed(resource.managed_by),
    }


def _told(resource: Resource | None) -> dict[str, Any] | None:
    return None if resource is None else changes_of(resource)


def name_of(what: str, owner: Owner) -> str:
    """A name that says whose it is for what; the hash keeps two apart that read the same."""
    unique = hashlib.sha256("\0".join((*owner, what)).encode()).hexdigest()[:16]
    return f"{f'{what}-of-{owner[1]}'[:_READABLE].rstrip('-._')}-{unique}"
