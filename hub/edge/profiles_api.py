"""Profiles over HTTP beside their resources: tools and their cost, why one is not visible, what waits for approval."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from hub.core.principal import Principal
from hub.core.refusal import Malformed, NotFound
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission, require, teams_with
from hub.resources import Snapshot
from hub.store import Resources

_MODE = Query("mode", "in which it is presented (the profile's own)", ("full", "search", "code"))
_KEY = Query("key", "as which key sees it (needs platform.read)")


class Desk(Protocol):
    """Whoever knows the answers."""

    def tools(self, snapshot: Snapshot, name: str, principal: Principal, mode: str) -> dict[str, Any]:
        """The tools that a caller sees. Raises NotFound."""
        ...

    def explain(self, snapshot: Snapshot, name: str, principal: Principal, tool: str) -> list[dict[str, Any]]:
        """Why a caller sees a tool, or not. Raises NotFound."""
        ...

    def drifts(self, snapshot: Snapshot, name: str) -> list[dict[str, Any]]:
        """What is not as it was approved. Raises NotFound."""
        ...

    def approve(
        self, snapshot: Snapshot, name: str, wanted: Sequence[str], by: str, seen: Mapping[str, str]
    ) -> list[str]:
        """Approve tools as they are now. Raises NotFound, or Conflict for one whose digest is not the one in `seen`."""
        ...


class ProfilesApi:
    """The routes."""

    def __init__(self, desk: Desk, resources: Resources) -> None:
        self._desk = desk
        self._resources = resources

    def routes(self) -> Iterator[Route]:
        """The rows."""
        mine, path = Permission.SELF, "/api/v1/profiles/{name}"
        yield Route(
            "GET", f"{path}/tools", mine, "The tools of a profile, their tokens, and what each client calls them",
            self._tools, "profiles", query=(_KEY, _MODE),
        )  # fmt: skip
        yield Route(
            "GET", f"{path}/explain", mine, "Why a tool is visible or not: every rule, and the one that decides",
            self._explain, "profiles", reply="Page",
            query=(Query("tool", "a public name, an own one, or server/tool (all)"), _KEY),
        )  # fmt: skip
        yield Route(
            "GET", f"{path}/drifts", Permission.PLATFORM_READ, "Tools that are not as they were approved, with a diff",
            self._drifts, "profiles", reply="Page",
        )  # fmt: skip
        yield Route(
            "POST", f"{path}/approve", Permission.CATALOGUE_WRITE, "Approve tools of a locked profile as they are now",
            self._approve, "profiles", body="Approval",
        )  # fmt: skip

    def _principal(self, ask: Ask) -> Principal:
        """As whom it is answered: the caller, or the key that they name. Raises NotFound or Forbidden."""
        key = ask.query("key")
        if key:
            require(ask.principal, Permission.PLATFORM_READ)
            found = next((grant.principal for grant in ask.snapshot.keys.values() if grant.key == key), None)
            if found is None:
                raise NotFound("not_found", f"There is no key '{key[:64]}' in force.")
            return found
        sees_all = teams_with(ask.principal, Permission.PLATFORM_READ) is None
        if not sees_all and not ask.principal.may_use_profile(ask.path("name")):
            raise NotFound("profile_not_found", f"There is no profile '{ask.path('name')[:64]}' that you may use.")
        return ask.principal

    async def _tools(self, ask: Ask) -> Answer:
        return Answer(self._desk.tools(ask.snapshot, ask.path("name"), self._principal(ask), ask.query("mode")))

    async def _explain(self, ask: Ask) -> Answer:
        found = self._desk.explain(ask.snapshot, ask.path("name"), self._principal(ask), ask.query("tool")[:256])
        return listed(ask, found)

    async def _drifts(self, ask: Ask) -> Answer:
        return listed(ask, self._desk.drifts(ask.snapshot, ask.path("name")))

    async def _approve(self, ask: Ask) -> Answer:
        body = mapping_of(ask.body, "tools", "digests")
        wanted, seen = body.get("tools"), body.get("digests", {})
        if not isinstance(wanted, list) or not wanted or not all(isinstance(one, str) for one in wanted):
            raise Malformed("malformed", "tools is a list of server/tool, or of '*' for all that wait.")
        if not isinstance(seen, dict) or not all(isinstance(one, str) for one in seen.values()):
            raise Malformed("malformed", "digests is an object: server/tool and the digest that was looked at.")
        name = ask.path("name")
        approved = self._desk.approve(ask.snapshot, name, wanted, ask.actor.id, seen)
        await self._resources.note(
            ask.actor, "approve", detail=f"profiles/{name}: {', '.join(approved)}"[:500], of=("profiles", name)
        )
        return Answer({"approved": approved})
