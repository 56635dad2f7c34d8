"""Which resources a principal sees and may change: platform roles all, team roles what is their team's."""

from typing import Any

from hub.core.principal import Principal, excess
from hub.core.refusal import Forbidden, NotFound
from hub.edge.denials import Hidden
from hub.edge.own_profiles import check_own_profile
from hub.edge.team_routes import check_key_routes, check_team_route
from hub.identity import READ, WRITE, Permission, require, teams_with
from hub.resources import Snapshot, chain_of, parse
from hub.resources.access import AccessSpec, KeySpec
from hub.resources.notices import AnnouncementSpec

# What a team owner or developer may say about a key; the rest could give it more than they have.
_OWN_KEY_FIELDS = frozenset({"title", "team", "user", "enabled", "route", "routes", *AccessSpec.model_fields})

Spec = dict[str, Any]
Teams = frozenset[str]


def _key_team(snapshot: Snapshot, name: str) -> str:
    return next((grant.principal.team for grant in snapshot.keys.values() if grant.key == name), "")


def _scope_team(snapshot: Snapshot, spec: Spec) -> str:
    scope = spec.get("scope", {})
    return scope.get("team") or (_key_team(snapshot, scope["key"]) if "key" in scope else "")


class Visibility:
    """One principal's view of the resources in one snapshot."""

    def __init__(self, snapshot: Snapshot, principal: Principal) -> None:
        self._snapshot = snapshot
        self._principal = principal

    def allow_listing(self, kind: str) -> None:
        """Refuse when the principal may see nothing at all of this kind."""
        own = {"keys": Permission.KEYS_OWN, "routes": Permission.ROUTES_OWN}.get(kind)
        if own is not None and teams_with(self._principal, own):
            return
        require(self._principal, READ[kind])

    def sees(self, kind: str, name: str, spec: Spec) -> bool:
        """Whether this one resource is visible."""
        teams = teams_with(self._principal, READ[kind])
        if teams is None:
            return True
        look = getattr(self, f"_sees_{kind}", None)
        return look is not None and bool(look(name, spec, teams))

    def _sees_models(self, name: str, _: Spec, __: Teams) -> bool:
        return self._principal.may_use_model(name)

    def _sees_profiles(self, name: str, _: Spec, __: Teams) -> bool:
        return self._principal.may_use_profile(name)

    def _sees_announcements(self, name: str, spec: Spec, teams: Teams) -> bool:
        notice = parse("announcements", name, spec)
        assert isinstance(notice, AnnouncementSpec)
        return bool(teams) and notice.is_current() and notice.is_for({self._principal.team, *self._principal.roles})

    def _sees_keys(self, _: str, spec: Spec, teams: Teams) -> bool:
        return spec.get("team") in teams or self._is_me(spec.get("user"))

    def _sees_routes(self, _: str, spec: Spec, __: Teams) -> bool:
        return spec.get("team") in (teams_with(self._principal, Permission.ROUTES_OWN) or ())

    def _sees_teams(self, name: str, _: Spec, teams: Teams) -> bool:
        return name in teams

    def _sees_users(self, name: str, spec: Spec, teams: Teams) -> bool:
        return self._is_me(name) or not teams.isdisjoint(spec.get("teams", {}))

    def _sees_budgets(self, _: str, spec: Spec, teams: Teams) -> bool:
        return _scope_team(self._snapshot, spec) in teams or self._is_me(spec["scope"].get("user"))

    _sees_limits = _sees_budgets

    def _is_me(self, user: str | None) -> bool:
        return bool(user) and user == self._principal.user

    def check_read(self, kind: str, name: str, spec: Spec | None) -> None:
        """Refuse with the same 404 whether it does not exist or belongs to somebody else.

        Both are `Hidden`, so that neither takes longer, unless the principal sees all of the kind.
        """
        if spec is None or not self.sees(kind, name, spec):
            missing = NotFound if teams_with(self._principal, READ[kind]) is None else Hidden
            raise missing("not_found", f"There is no {kind.rstrip('s')} '{name}' that you may see.")

    def check_write(self, kind: str, name: str, new: Spec | None, old: Spec | None) -> None:
        """Refuse a change that the principal may not make. `new` is None for a deletion, `old` for a creation."""
        if teams_with(self._principal, WRITE[kind]) is None:
            return
        check = getattr(self, f"_check_{kind}", None)
        if check is None:
            require(self._principal, WRITE[kind])
            raise Forbidden("forbidden", f"Changing {kind} needs a role for the whole hub.")
        if old is not None:
            self.check_read(kind, name, old)
        check(name, new, old)

    def _check_profiles(self, name: str, new: Spec | None, old: Spec | None) -> None:
        check_own_profile(self._principal, name, new, old)

    def _check_routes(self, name: str, new: Spec | None, old: Spec | None) -> None:
        check_team_route(self._snapshot, self._principal, name, new, old)

    def _check_keys(self, name: str, new: Spec | None, old: Spec | None) -> None:
        for spec in (old, new):
            if spec is not None:
                self._check_own_key(spec)
        if new is not None:
            self.check_issue(name, new)

    def check_issue(self, name: str, spec: Spec) -> None:
        """Refuse to hand out a key that reaches further than the principal: nobody gives more than they have.

        What the key's team grants counts on both sides. Raises Forbidden naming the field.
        """
        if teams_with(self._principal, Permission.KEYS_WRITE) is None:
            return
        key = parse("keys", name, spec)
        assert isinstance(key, KeySpec)
        teams, users, mine = self._snapshot.teams, self._snapshot.users, self._principal
        given = chain_of(teams.get(key.team or ""), users.get(key.user or ""), key)
        shared = chain_of(teams.get(mine.team), None, None)
        beyond = excess(given, [level for level in mine.access if level not in shared])
        ends = key.expires_at.timestamp() if key.expires_at else None
        if not beyond and mine.ends_at is not None and (ends is None or ends > mine.ends_at):
            beyond = "expires_at"
        if beyond:
            raise Forbidden(
                "forbidden", f"Nobody can give a key more than they have: narrow its '{beyond}' to what yours grants."
            )

    def _check_own_key(self, spec: Spec) -> None:
        principal = self._principal
        beyond = set(spec) - _OWN_KEY_FIELDS
        if beyond:
            raise Forbidden("forbidden", f"Only an administrator sets {', '.join(sorted(beyond))} of a key.")
        team = spec.get("team")
        user = spec.get("user")
        if user is not None and user != principal.user:
            raise Forbidden("forbidden", "A key that acts as somebody else is made by an administrator.")
        permission = Permission.KEYS_WRITE if user is None else Permission.KEYS_OWN
        if team is None:
            raise Forbidden("forbidden", "Say which team the key belongs to: team: NAME.")
        check_key_routes(self._snapshot, spec)
        require(principal, permission, team)
