"""Passwords, browser sign-ins and signed-in programs over HTTP: set, change, list, end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.core.refusal import Forbidden, Malformed, NotFound, Unauthenticated
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route, listed
from hub.identity import Passwords, Permission, check_strength
from hub.store import OAuthStore, PasswordHashes, Resources, SignIns


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class PeopleApi:
    """The routes. Each change has its audit row."""

    resources: Resources
    sign_ins: SignIns
    hashes: PasswordHashes
    passwords: Passwords
    programs: OAuthStore

    def _user(self, ask: Ask) -> str:
        name = ask.path("name")
        if name not in ask.snapshot.users:
            raise NotFound("not_found", f"There is no user '{name[:64]}' who may sign in.")
        return name

    def _me(self, ask: Ask) -> str:
        """The person who asks. A service key is nobody who could sign in."""
        if not ask.principal.user:
            raise Forbidden("forbidden", "Only people sign in, and this key belongs to nobody.")
        return ask.principal.user

    async def _set(self, ask: Ask) -> Answer:
        user = self._user(ask)
        await self._keep(ask, user, check_strength(mapping_of(ask.body, "password").get("password")))
        return Answer({"user": user, "password": "set"})

    async def _remove(self, ask: Ask) -> Answer:
        user = self._user(ask)
        await self.hashes.put(user, None)
        await self.sign_ins.end_all(user)
        await self.resources.note(ask.actor, "password-removed", detail=f"users/{user}", of=("users", user))
        return Answer({"user": user, "password": "removed"})

    async def _change(self, ask: Ask) -> Answer:
        user, body = self._me(ask), mapping_of(ask.body, "old", "new")
        old, new = body.get("old"), check_strength(body.get("new"))
        address = ask.request.client.host if ask.request.client else ""
        if not isinstance(old, str):
            raise Malformed("malformed", 'Send {"old": ..., "new": ...}.')
        if not await self.passwords.check(user, old, address):
            raise Unauthenticated("invalid_key", "The old password is wrong.")
        await self._keep(ask, user, new)
        return Answer({"user": user, "password": "changed"})

    async def _keep(self, ask: Ask, user: str, password: str) -> None:
        """Keep a new password. Whoever is signed in with the old one is signed out."""
        await self.resources.note(ask.actor, "password-set", detail=f"users/{user}", of=("users", user))
        await self.hashes.put(user, await self.passwords.hash(password))
        await self.sign_ins.end_all(user)

    async def _listed(self, ask: Ask, user: str) -> Answer:
        items = [
            {
                "id": each.id,
                "created_at": _iso(each.created_at),
                "seen_at": _iso(each.seen_at),
                "expires_at": _iso(each.expires_at),
                "address": each.address,
                "agent": each.agent,
            }
            for each in await self.sign_ins.of(user)
        ]
        return listed(ask, items)

    async def _list(self, ask: Ask) -> Answer:
        return await self._listed(ask, self._user(ask))

    async def _list_mine(self, ask: Ask) -> Answer:
        return await self._listed(ask, self._me(ask))

    async def _ended(self, ask: Ask, user: str) -> Answer:
        identifier = ask.path("id")
        if not await self.sign_ins.end_one(user, identifier):
            raise NotFound("not_found", f"There is no such sign-in of '{user}'.")
        await self.resources.note(ask.actor, "sign-in-ended", detail=f"users/{user}/{identifier}", of=("users", user))
        return Answer({"user": user, "ended": identifier})

    async def _end(self, ask: Ask) -> Answer:
        return await self._ended(ask, self._user(ask))

    async def _end_mine(self, ask: Ask) -> Answer:
        return await self._ended(ask, self._me(ask))

    async def _end_all(self, ask: Ask) -> Answer:
        user = self._user(ask)
        await self.sign_ins.end_all(user)
        await self.programs.end_all(user)
        await self.resources.note(ask.actor, "sign-ins-ended", detail=f"users/{user}", of=("users", user))
        return Answer({"user": user, "ended": "all"})

    async def _programs_of(self, ask: Ask, user: str) -> Answer:
        items = [
            {
                "id": each.id,
                "title": each.title,
                "resource": each.resource or None,
                "created_at": _iso(each.created_at),
                "seen_at": _iso(each.seen_at),
            }
            for each in await self.programs.of(user)
        ]
        return listed(ask, items)

    async def _programs(self, ask: Ask) -> Answer:
        return await self._programs_of(ask, self._user(ask))

    async def _my_programs(self, ask: Ask) -> Answer:
        return await self._programs_of(ask, self._me(ask))

    async def _program_ended(self, ask: Ask, user: str) -> Answer:
        identifier = ask.path("id")
        if not await self.programs.end(identifier, user):
            raise NotFound("not_found", f"There is no such program of '{user}'.")
        await self.resources.note(
            ask.actor, "program-signed-out", detail=f"users/{user}/{identifier}", of=("users", user)
        )
        return Answer({"user": user, "ended": identifier})

    async def _end_program(self, ask: Ask) -> Answer:
        return await self._program_ended(ask, self._user(ask))

    async def _end_my_program(self, ask: Ask) -> Answer:
        return await self._program_ended(ask, self._me(ask))

    def routes(self) -> Iterator[Route]:
        """The rows."""
        read, write, own = Permission.PEOPLE_READ, Permission.PEOPLE_WRITE, Permission.SELF
        user, mine = "/api/v1/users/{name}", "/api/v1/me"
        rows: tuple[tuple[str, str, Permission, str, Any], ...] = (
            ("PUT", f"{user}/password", write, "Set the password of a user", self._set),
            ("DELETE", f"{user}/password", write, "Take a user's password away", self._remove),
            ("GET", f"{user}/sign-ins", read, "The browsers in which a user is signed in", self._list),
            ("DELETE", f"{user}/sign-ins", write, "Sign a user out everywhere", self._end_all),
            ("DELETE", f"{user}/sign-ins/{{id}}", write, "Sign one browser of a user out", self._end),
            ("GET", f"{user}/programs", read, "The programs that a user has signed in", self._programs),
            ("DELETE", f"{user}/programs/{{id}}", write, "Sign one program of a user out", self._end_program),
            ("GET", f"{mine}/programs", own, "The programs that one has signed in", self._my_programs),
            ("DELETE", f"{mine}/programs/{{id}}", own, "Sign one of one's programs out", self._end_my_program),
            ("PUT", f"{mine}/password", own, "Change one's own password", self._change),
            ("GET", f"{mine}/sign-ins", own, "The browsers in which one is signed in", self._list_mine),
            ("DELETE", f"{mine}/sign-ins/{{id}}", own, "Sign one of one's browsers out", self._end_mine),
        )
        for method, path, permission, summary, endpoint in rows:
            body = "Password" if path.endswith("password") and method == "PUT" else ""
            reply = "Page" if method == "GET" else ""
            yield Route(method, path, permission, summary, endpoint, "people", body=body, reply=reply)
