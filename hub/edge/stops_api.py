"""Emergency stops over HTTP: pause a key, a team or everything at once, and let it work again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hub.core.refusal import Forbidden, InvalidSpec, NotFound
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route, listed
from hub.edge.visibility import Visibility
from hub.identity import Permission, teams_with
from hub.resources.spec import faults_of
from hub.resources.spending import ScopeSpec
from hub.store import Resources

_KINDS = {"team": "teams", "user": "users", "key": "keys", "profile": "profiles", "server": "servers"}
_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class StopsApi:
    """The routes. A stop is in force for new calls and for open ones before the request is answered."""

    resources: Resources

    async def _list(self, ask: Ask) -> Answer:
        items = [
            {"scope": {kind: name or True}, "reason": stop.reason, "by": stop.by, "at": stop.at}
            for (kind, name), stop in sorted(ask.snapshot.stops.items())
        ]
        return listed(ask, items)

    async def _stop(self, ask: Ask) -> Answer:
        scope, reason = await self._asked(ask)
        kind, name = scope
        if kind in _KINDS and await self.resources.find(_KINDS[kind], name) is None:
            raise NotFound("not_found", f"There is no {kind} '{name[:64]}' to stop.")
        if kind == "key" and name == ask.principal.key:
            raise Forbidden("forbidden", "This is the key that you are using. Stop it with another one, or revoke it.")
        stop = await self.resources.stop(scope, reason, ask.actor)
        return Answer({"scope": {kind: name or True}, "stopped": True, "reason": reason, "at": stop.at})

    async def _resume(self, ask: Ask) -> Answer:
        scope, _ = await self._asked(ask)
        if scope not in ask.snapshot.stops:
            raise NotFound("not_found", "This is not stopped.")
        await self.resources.resume(scope, ask.actor)
        return Answer({"scope": {scope[0]: scope[1] or True}, "stopped": False})

    async def _asked(self, ask: Ask) -> tuple[tuple[str, str], str]:
        """The scope and the reason. A team owner may stop keys of the team. Raises InvalidSpec or Forbidden."""
        body = mapping_of(ask.body or {}, "scope", "reason")
        try:
            scope = ScopeSpec.model_validate(body.get("scope", {})).parts
        except ValidationError as error:
            raise InvalidSpec(faults_of(ScopeSpec, "scope", error)) from None
        reason = body.get("reason", "")
        if not isinstance(reason, str):
            reason = ""
        if teams_with(ask.principal, Permission.PLATFORM_WRITE) is not None:
            key = await self.resources.find("keys", scope[1]) if scope[0] == "key" else None
            if key is None:
                raise Forbidden("forbidden", "A role in a team stops keys of that team only.")
            Visibility(ask.snapshot, ask.principal).check_write("keys", key.name, None, key.spec)
        return scope, reason[:_MOST_REASON]

    def routes(self) -> Iterator[Route]:
        """The rows."""
        rows: tuple[tuple[str, str, Permission, str, Any, str], ...] = (
            ("GET", "/api/v1/stops", Permission.PLATFORM_READ, "What is stopped", self._list, ""),
            (
                "POST",
                "/api/v1/stop",
                Permission.PLATFORM_WRITE,
                "Stop a scope at once, calls in flight too",
                self._stop,
                "Stop",
            ),
            (
                "POST",
                "/api/v1/resume",
                Permission.PLATFORM_WRITE,
                "Let a stopped scope work again",
                self._resume,
                "Stop",
            ),
        )
        for method, path, permission, summary, endpoint, body in rows:
            also = Permission.KEYS_WRITE if method == "POST" else None
            reply = "Page" if method == "GET" else ""
            yield Route(method, path, permission, summary, endpoint, "stops", also, body, reply)
