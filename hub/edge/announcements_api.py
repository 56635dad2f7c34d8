"""`/api/v1/me/announcements`: the notices for one person now, which they put away when they have read them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Conflict, Forbidden, NotFound
from hub.edge.resources_api import mapping_of
from hub.edge.routes import SWITCH, Answer, Ask, Query, Route, listed
from hub.identity import Permission, teams_with
from hub.resources.notices import AnnouncementSpec
from hub.store import Dismissals

_SEVERITIES = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class AnnouncementsApi:
    """The routes. What a person puts away is theirs alone and changes nothing for others: it has no audit row."""

    dismissals: Dismissals

    def _mine(self, ask: Ask) -> dict[str, AnnouncementSpec]:
        """The current notices for whoever asks; those who write them see every team's."""
        teams = {ask.principal.team, *ask.principal.roles}
        everything = teams_with(ask.principal, Permission.CATALOGUE_WRITE) is None
        return {
            name: spec
            for name, spec in ask.snapshot.announcements.items()
            if spec.is_current() and (everything or spec.is_for(teams))
        }

    async def _list(self, ask: Ask) -> Answer:
        user = ask.principal.user
        away = await self.dismissals.of(user) if user else {}
        items = [_shown(name, spec, away.get(name) == spec.digest) for name, spec in self._mine(ask).items()]
        if ask.query("dismissed") != "1":
            items = [item for item in items if not item["dismissed"]]
        items.sort(key=lambda item: (_SEVERITIES[item["severity"]], item["starts_at"] or "", item["name"]))
        return listed(ask, items)

    def _one(self, ask: Ask) -> tuple[str, str, AnnouncementSpec]:
        """Who asks, about which notice. Raises Forbidden or NotFound."""
        name = ask.path("name")
        spec = self._mine(ask).get(name)
        if spec is None:
            raise NotFound("not_found", f"There is no announcement '{name[:64]}' for you now.")
        if not ask.principal.user:
            raise Forbidden("forbidden", "Only people put announcements away, and this key belongs to nobody.")
        return ask.principal.user, name, spec

    async def _dismiss(self, ask: Ask) -> Answer:
        user, name, spec = self._one(ask)
        if spec.severity == "critical":
            raise Conflict("not_dismissible", "A critical announcement stays until it ends or is archived.")
        seen = mapping_of({} if ask.body is None else ask.body, "digest").get("digest", spec.digest)
        if seen != spec.digest:
            raise Conflict("version_conflict", "This announcement has changed since you read it. Read it anew.")
        await self.dismissals.put(user, name, spec.digest, ask.snapshot.announcements.keys())
        return Answer({"name": name, "dismissed": True})

    async def _show(self, ask: Ask) -> Answer:
        user, name, _ = self._one(ask)
        await self.dismissals.remove(user, name)
        return Answer({"name": name, "dismissed": False})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        own, path = Permission.SELF, "/api/v1/me/announcements"
        about = "The notices that are for you now, the most severe first"
        query = (Query("dismissed", "1: those too that you have put away", SWITCH),)
        yield Route("GET", path, own, about, self._list, "people", reply="Page", query=query)
        one = f"{path}/{{name}}/dismissal"
        about = "Put a notice away until it changes (never a critical one)"
        yield Route("PUT", one, own, about, self._dismiss, "people", body="Dismissal")
        yield Route("DELETE", one, own, "Let a notice show again that you have put away", self._show, "people")


def _shown(name: str, spec: AnnouncementSpec, dismissed: bool) -> dict[str, Any]:
    # One that was put away and then made critical has another digest: it shows.
    return {
        "name": name,
        "title": spec.title,
        "body": spec.body,
        "severity": spec.severity,
        "starts_at": spec.starts_at.isoformat() if spec.starts_at else None,
        "ends_at": spec.ends_at.isoformat() if spec.ends_at else None,
        "digest": spec.digest,
        "dismissible": spec.severity != "critical",
        "dismissed": dismissed,
    }
