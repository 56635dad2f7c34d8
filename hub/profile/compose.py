"""Composing a profile: choose tools, name them, hide pinned arguments, and remember how to get back."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from hub.core.principal import Access, Globs, Principal
from hub.profile.naming import Key, public_names
from hub.resources.tools import ProfileServerSpec, ProfileSpec

_object = msgspec.json.Decoder(dict[str, Raw])
_raws = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode
_MOST_LISTS = 256  # one for each set of grants in use
_AWAY = ("failed", "disabled")


class Offered(Protocol):
    """One tool of a server: its own name, its definition byte for byte, and the arguments that headers repeat."""

    @property
    def name(self) -> str: ...  # noqa: D102 - said above
    @property
    def raw(self) -> bytes: ...  # noqa: D102 - said above
    @property
    def mirrored(self) -> tuple[tuple[tuple[str, ...], str], ...]: ...  # noqa: D102 - said above


class Offer(Protocol):
    """What a server offers, as last seen, and how much that can be trusted."""

    @property
    def tools(self) -> Iterable[Offered]: ...  # noqa: D102 - said above
    @property
    def instructions(self) -> str: ...  # noqa: D102 - said above
    @property
    def state(self) -> str: ...  # noqa: D102 - said above
    @property
    def since(self) -> float: ...  # noqa: D102 - said above
    @property
    def error(self) -> str: ...  # noqa: D102 - said above


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of a profile. `own` is its name on `server`; `pinned` are arguments that the hub adds, raw JSON.

    `definition` is what clients see, as JSON; `tokens` estimates what it costs in a prompt (bytes / 4). `mirrored`
    pairs the path of each argument that modern clients repeat in a header with the rest of that header's name.
    """

    name: str
    server: str
    own: str
    definition: bytes
    pinned: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    mirrored: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def tokens(self) -> int:
        """About how many tokens the definition takes in a prompt."""
        return len(self.definition) // 4


@dataclass(frozen=True, slots=True)
class Gap:
    """A server that is not as it should be. `since` is seconds since the epoch."""

    server: str
    state: str
    since: float
    message: str


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as its clients see it: tools by public name, sorted; and what is missing, said openly.

    `others` are further names under which a tool can be called: its own, where only one tool has it.
    `digest` changes when and only when the visible list does. `is_lost` says that no server can be reached and
    none of their tools is known.
    """

    name: str
    tools: Mapping[str, Tool]
    others: Mapping[str, Tool]
    gaps: tuple[Gap, ...]
    conflicts: tuple[tuple[str, str], ...]
    instructions: str
    digest: str
    is_lost: bool = False
    _lists: dict[tuple[Access, ...], bytes] = field(default_factory=dict[tuple[Access, ...], bytes], repr=False)

    def find(self, name: str) -> Tool | None:
        """The tool of that public name, or of that own name where it is the only one."""
        return self.tools.get(name) or self.others.get(name)

    def visible(self, principal: Principal) -> list[Tool]:
        """The tools that `principal` may use."""
        return [tool for tool in self.tools.values() if principal.may_use_tool(f"{tool.server}/{tool.own}")]

    def listing(self, principal: Principal) -> bytes:
        """The JSON array of the definitions that `principal` may see: made once for each set of grants."""
        made = self._lists.get(principal.access)
        if made is None:
            made = b"[" + b",".join(tool.definition for tool in self.visible(principal)) + b"]"
            made = next((known for known in self._lists.values() if known == made), made)  # most see the same
            if len(self._lists) >= _MOST_LISTS:
                self._lists.clear()
            self._lists[principal.access] = made
        return made


def compose(name: str, spec: ProfileSpec, offers: Mapping[str, Offer]) -> ProfileView:
    """What a profile shows, from what its servers offer (servers that are not in `offers` count as gone)."""
    chosen: dict[Key, tuple[Offered, ProfileServerSpec]] = {}
    for server, selection in spec.servers.items():
        globs = Globs(tuple(selection.tools))
        for tool in offers[server].tools if server in offers else ():
            if globs.allows(tool.name):
                chosen[server, tool.name] = (tool, selection)
    renamed = {key: selection.rename[key[1]] for key, (_, selection) in chosen.items() if key[1] in selection.rename}
    names, conflicts = public_names(spec.prefix, chosen, renamed)
    tools = sorted((_tool(public, key, *chosen[key]) for key, public in names.items()), key=lambda tool: tool.name)
    gaps = tuple(_gaps(spec, offers))
    return ProfileView(
        name=name,
        tools={tool.name: tool for tool in tools},
        others=_unambiguous(tools),
        gaps=gaps,
        conflicts=tuple(conflicts),
        instructions=_instructions(spec, offers),
        digest=hashlib.sha256(b"\n".join(tool.definition for tool in tools)).hexdigest(),
        is_lost=bool(gaps) and not tools and len(gaps) == len(spec.servers) and all(gap.state in _AWAY for gap in gaps),
    )


def _tool(public: str, key: Key, offered: Offered, selection: ProfileServerSpec) -> Tool:
    server, own = key
    pinned = selection.arguments.get(own, {})
    definition = dict(_object.decode(offered.raw))
    definition["name"] = Raw(_encode(public))
    if own in selection.describe:
        definition["description"] = Raw(_encode(selection.describe[own]))
    if pinned and "inputSchema" in definition:
        definition["inputSchema"] = Raw(_without(bytes(definition["inputSchema"]), pinned))
    return Tool(
        public,
        server,
        own,
        _encode(definition),
        {name: _encode(value) for name, value in pinned.items()},
        tuple((path, header) for path, header in offered.mirrored if path[0] not in pinned),
    )


def _without(schema: bytes, pinned: Mapping[str, Any]) -> bytes:
    """An input schema that no longer mentions the pinned arguments."""
    members = _object.decode(schema)
    properties = members.get("properties")
    if properties is not None and bytes(properties).startswith(b"{"):
        kept = {name: value for name, value in _object.decode(bytes(properties)).items() if name not in pinned}
        members["properties"] = Raw(_encode(kept))
    required = members.get("required")
    if required is not None and bytes(required).startswith(b"["):
        hidden = {_encode(name) for name in pinned}
        members["required"] = Raw(_encode([one for one in _raws.decode(bytes(required)) if bytes(one) not in hidden]))
    return _encode(members)


def _unambiguous(tools: Iterable[Tool]) -> dict[str, Tool]:
    owners: dict[str, Tool | None] = {}
    for tool in tools:
        owners[tool.own] = None if tool.own in owners else tool
    return {own: tool for own, tool in owners.items() if tool is not None}


def _gaps(spec: ProfileSpec, offers: Mapping[str, Offer]) -> Iterable[Gap]:
    for server in spec.servers:
        offer = offers.get(server)
        if offer is None:
            yield Gap(server, "disabled", 0.0, "this server is disabled")
        elif offer.state != "ready":
            yield Gap(server, str(offer.state), offer.since, offer.error or "it has not answered yet")


def _instructions(spec: ProfileSpec, offers: Mapping[str, Offer]) -> str:
    """The profile's own instructions first, since clients cut the text; then what its servers say of themselves."""
    parts = [spec.instructions] if spec.instructions else []
    parts += [
        f"{server}: {offers[server].instructions}"
        for server in spec.servers
        if server in offers and offers[server].instructions
    ]
    return "\n\n".join(parts)[:8192]
