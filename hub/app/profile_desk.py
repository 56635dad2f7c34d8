"""What can be asked of profiles: their tools and what these cost, why one is not visible, what waits for approval."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hub.catalogue import Catalogue
from hub.core.principal import ANONYMOUS, Principal
from hub.core.refusal import Conflict, Fault, NotFound
from hub.profile import (
    CLIENTS,
    Drift,
    Finding,
    Item,
    Known,
    Memory,
    ProfileView,
    client_names,
    compose,
    explain,
    faults_in,
    findings,
    presented,
)
from hub.resources import Snapshot
from hub.resources.tools import ProfileSpec
from hub.upstream import ServerDefinitions, Servers

_texts = msgspec.json.Decoder(dict[str, Any])


class ProfileDesk:
    """Answers about profiles, from memory: nothing here waits for a server."""

    def __init__(self, servers: Servers, catalogue: Catalogue[ServerDefinitions, ProfileView], memory: Memory) -> None:
        self._servers = servers
        self._catalogue = catalogue
        self._memory = memory

    def view(self, snapshot: Snapshot, name: str) -> ProfileView | None:
        """A profile as its clients see it, or None when there is none."""
        return self._catalogue.view(snapshot, name)

    def view_of(self, snapshot: Snapshot, name: str, principal: Principal) -> ProfileView | None:
        """A profile as one caller's clients see it, who may have accounts of their own at its servers."""
        return self._catalogue.view_of(snapshot, name, principal.user, self._servers.personal)

    def _of(self, snapshot: Snapshot, name: str, principal: Principal = ANONYMOUS) -> tuple[ProfileSpec, ProfileView]:
        spec, view = snapshot.profiles.get(name), self.view_of(snapshot, name, principal)
        if spec is None or view is None:
            raise NotFound("profile_not_found", f"There is no profile '{name[:64]}', or it is disabled.")
        return spec, view

    def _offers(self, snapshot: Snapshot, spec: ProfileSpec) -> dict[str, ServerDefinitions]:
        return {name: self._servers.definitions(name) for name in spec.servers if name in snapshot.servers}

    def tools(self, snapshot: Snapshot, name: str, principal: Principal, mode: str) -> dict[str, Any]:
        """The tools that a caller sees, with what they cost and what each client calls them. Raises NotFound."""
        spec, view = self._of(snapshot, name, principal)
        shown = presented(view, mode or spec.mode).visible(principal)
        whole = view.visible(principal)
        servers = {server: [tool for tool in whole if tool.server == server] for server in spec.servers}
        return {
            "profile": name,
            "mode": mode or spec.mode,
            "tokens": _tokens(shown),
            "tokens_of_all": _tokens(whole),
            "servers": [
                {"server": server, "tools": len(tools), "tokens": _tokens(tools)} for server, tools in servers.items()
            ],
            "tools": [
                {
                    "name": tool.name,
                    "server": tool.server or None,
                    "own": tool.own,
                    "tokens": tool.tokens,
                    "description": _first_line(tool.definition),
                    "clients": client_names(name, tool.name),
                }
                for tool in shown
            ],
            "warnings": _client_warnings(name, shown),
        }

    def explain(self, snapshot: Snapshot, name: str, principal: Principal, tool: str) -> list[dict[str, Any]]:
        """Why a tool is visible to a caller, or not. Raises NotFound."""
        spec, view = self._of(snapshot, name, principal)
        offers = self._offers(snapshot, spec)
        own = {server: self._servers.own_definitions(server, principal.user) for server in offers}
        offers |= {server: offer for server, offer in own.items() if offer is not None}
        return [
            {
                "server": one.server or None,
                "tool": one.tool,
                "name": one.name or None,
                "visible": one.visible,
                "rule": one.decided.rule,
                "reason": one.decided.reason,
                "steps": [{"allowed": s.allowed, "rule": s.rule, "reason": s.reason} for s in one.steps],
            }
            for one in explain(view, spec, offers, principal, tool)
        ]

    def drifts(self, snapshot: Snapshot, name: str) -> list[dict[str, Any]]:
        """The tools that are not as they were approved, each with its diff and what stands out in it. Raises NotFound."""
        waiting = self._waiting(snapshot, name)
        others = {server: self._tools_beside(server) for server in {one.server for _, one in waiting}}
        return [
            {
                **_told(one, lock),
                "findings": [_finding(found) for found in findings(one.definition, others[one.server])],
            }
            for lock, one in waiting
        ]

    def _waiting(self, snapshot: Snapshot, name: str) -> list[tuple[str | None, Drift]]:
        """What waits for approval: what everybody is offered, then what only some accounts are; each with the lock."""
        spec, view = self._of(snapshot, name)
        shared = {one.variant for one in view.drifts}
        own = [one for one in self._memory.waiting(name) if one.variant not in shared and one.server in spec.servers]
        return [(spec.lock, one) for one in (*view.drifts, *own)]

    def approve(
        self, snapshot: Snapshot, name: str, wanted: Sequence[str], by: str, seen: Mapping[str, str]
    ) -> list[str]:
        """Pin tools (`server/tool`; `*` is all that wait) as they are now; returns those that were pinned.

        Raises NotFound, or Conflict for a tool that is not any more what was `seen`, by its digest.
        """
        waiting = [one for _, one in self._waiting(snapshot, name)]
        names = {one: {"*", one.label, f"{one.server}/{one.own}"} for one in waiting}
        missing = [tool for tool in wanted if tool != "*" and not any(tool in names[one] for one in waiting)]
        if missing:
            known = ", ".join(sorted(one.label for one in waiting)) or "none"
            raise NotFound("not_found", f"'{missing[0][:128]}' waits for no approval in '{name}' (waiting: {known}).")
        stale = [
            tool for tool, digest in seen.items() if any(tool in names[one] and one.digest != digest for one in waiting)
        ]
        if stale:
            raise Conflict(
                "version_conflict", f"'{stale[0][:128]}' has changed again since you looked. Look at it anew."
            )
        chosen = [one for one in waiting if not names[one].isdisjoint(wanted)]
        self._memory.approve(name, chosen, by)
        self._catalogue.refresh(snapshot)
        return [one.label for one in chosen]

    def status(self, snapshot: Snapshot, name: str) -> dict[str, Any]:
        """What is observed of a profile, beside its tools and gaps."""
        spec, view = self._of(snapshot, name)
        return {
            "prompts": len(view.prompts),
            "resources": len(view.resources),
            "templates": len(view.templates),
            "drifts": [_told(one, lock) for lock, one in self._waiting(snapshot, name)],
            "warnings": [
                *(f"{fault.path}: {fault.message}" for fault in faults_in(name, spec, self._offers(snapshot, spec))),
                *_client_warnings(name, presented(view, spec.mode).tools.values()),
            ],
        }

    def findings(self, server: str) -> list[dict[str, Any]]:
        """What stands out in the definitions of a server's tools, prompts and resources."""
        own, others = self._servers.definitions(server), self._tools_beside(server)
        named = [("tool", one.name, one.raw) for one in own.tools] + [
            ("prompt", one.name, one.raw) for one in own.prompts
        ]
        named += [("resource", one.uri, one.raw) for one in (*own.resources, *own.templates)]
        found = [{"of": of, "name": name, **_finding(one)} for of, name, raw in named for one in findings(raw, others)]
        spoken = msgspec.json.encode({"instructions": own.instructions})
        found += [{"of": "server", "name": server, **_finding(one)} for one in findings(spoken, others)]
        return found[:200]

    def _tools_beside(self, server: str) -> frozenset[str]:
        """The names of all other servers' tools."""
        others = [self._servers.definitions(name) for name in self._servers.names() if name != server]
        return frozenset(tool.name for other in others for tool in other.tools)

    def check(self, snapshot: Snapshot, touched: frozenset[tuple[str, str]]) -> list[Fault]:
        """Names that two tools of a changed profile would share. What a changed server will offer is not known yet."""
        faults: list[Fault] = []
        for name, spec in snapshot.profiles.items():
            concerns = ("profiles", name) in touched or any(("profiles", one) in touched for one in spec.include)
            if concerns:
                offers = {
                    server: offer
                    for server, offer in self._offers(snapshot, spec).items()
                    if ("servers", server) not in touched
                }
                faults += _conflicts(name, spec, offers, self._memory.known(name))
        return faults


def _conflicts(name: str, spec: ProfileSpec, offers: Mapping[str, ServerDefinitions], known: Known) -> list[Fault]:
    conflicts = compose(name, spec, offers, known).conflicts
    return [
        Fault(
            f"profiles.{name}.prefix",
            f"the name '{taken}' is wanted twice, also by {tool}: rename one of them, or use another prefix",
        )
        for taken, tool in conflicts
    ]


def _told(drift: Drift, lock: str | None) -> dict[str, Any]:
    return {
        "tool": drift.label,
        "state": drift.state,
        "held_back": lock == "enforce",
        "only_some_accounts": drift.personal,
        "digest": drift.digest,
        "diff": list(drift.diff),
    }


def _finding(found: Finding) -> dict[str, str]:
    return {"kind": found.kind, "place": found.place, "excerpt": found.excerpt}


def _tokens(items: Sequence[Item]) -> int:
    return sum(item.tokens for item in items)


def _first_line(definition: bytes) -> str:
    text = _texts.decode(definition).get("description")
    return text.strip().split("\n")[0][:200] if isinstance(text, str) else ""


def _client_warnings(profile: str, tools: Any) -> list[str]:
    """What a client may not take: too many tools, or names that are too long with its own prefix."""
    shown = list(tools)
    found = [
        f"{row.name} takes at most {row.most_tools} tools, and here are {len(shown)}"
        for row in CLIENTS.values()
        if row.most_tools is not None and len(shown) > row.most_tools
    ]
    for client, row in CLIENTS.items():
        long = [tool.name for tool in shown if len(client_names(profile, tool.name)[client]) > row.most]
        if long:
            found.append(
                f"{row.name} takes names of at most {row.most} characters; too long there: {', '.join(long[:5])}"
            )
    return found
