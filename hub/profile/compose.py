"""Composing a profile: choose, name, hide pinned arguments, and remember how to get back."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from hub.core.principal import EVERYTHING, NOTHING, Globs
from hub.profile.naming import Key, public_names
from hub.profile.offers import Offer, Offered, object_of, others_of
from hub.profile.uris import UriSpace
from hub.profile.view import Gap, Item, ProfileView, Prompt, Readable, Tool
from hub.resources.tools import ProfileServerSpec, ProfileSpec

_raws = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode
_AWAY = ("failed", "disabled")
ItemT = TypeVar("ItemT", bound=Item)


def is_identity(spec: ProfileSpec) -> bool:
    """Whether a profile shows one server as if it were reached directly: its own names, its own URIs."""
    return spec.prefix == "never" and len(spec.servers) == 1


def compose(name: str, spec: ProfileSpec, offers: Mapping[str, Offer]) -> ProfileView:
    """What a profile shows, from what its servers offer (servers that are not in `offers` count as gone)."""
    there = {server: offers[server] for server in spec.servers if server in offers}
    space = _space(spec, there)
    tools, conflicts = _tools(spec, there, space)
    prompts, clashes = _prompts(spec, there)
    resources = _located(there, space, "resources", "uri")
    gaps = tuple(_gaps(spec, offers))
    return ProfileView(
        name=name,
        tools={tool.name: tool for tool in tools},
        others=_unambiguous(tools),
        gaps=gaps,
        conflicts=(*conflicts, *clashes),
        instructions=_instructions(spec, there),
        digest=hashlib.sha256(b"\n".join(tool.definition for tool in tools)).hexdigest(),
        is_lost=bool(gaps) and not tools and len(gaps) == len(spec.servers) and all(gap.state in _AWAY for gap in gaps),
        prompts={prompt.name: prompt for prompt in prompts},
        other_prompts=_unambiguous(prompts),
        resources={item.name: item for item in resources},
        templates={item.name: item for item in _located(there, space, "templates", "uriTemplate")},
        readable={server: _readable(offer) for server, offer in there.items()},
        own_uris={own: item.server for own, item in _unambiguous(resources).items()},
        space=space,
    )


def _space(spec: ProfileSpec, there: Mapping[str, Offer]) -> UriSpace:
    if is_identity(spec):
        return UriSpace()
    web = [
        (server, own)
        for server, offer in there.items()
        for kind, member in (("resources", "uri"), ("templates", "uriTemplate"))
        for own, _ in others_of(offer, kind, member)
        if own.startswith("http")
    ]
    return UriSpace(frozenset(spec.servers), frozenset(web))


def _tools(spec: ProfileSpec, there: Mapping[str, Offer], space: UriSpace) -> tuple[list[Tool], list[tuple[str, str]]]:
    chosen: dict[Key, tuple[Offered, ProfileServerSpec]] = {}
    for server, offer in there.items():
        selection = spec.servers[server]
        globs = Globs(tuple(selection.tools))
        for tool in offer.tools:
            if globs.allows(tool.name):
                chosen[server, tool.name] = (tool, selection)
    renamed = {key: selection.rename[key[1]] for key, (_, selection) in chosen.items() if key[1] in selection.rename}
    names, conflicts = public_names(spec.prefix, chosen, renamed)
    tools = [_tool(public, key, *chosen[key], space) for key, public in names.items()]
    return sorted(tools, key=lambda tool: tool.name), conflicts


def _prompts(spec: ProfileSpec, there: Mapping[str, Offer]) -> tuple[list[Prompt], list[tuple[str, str]]]:
    offered = {
        (server, own): raw for server, offer in there.items() for own, raw in others_of(offer, "prompts", "name")
    }
    names, conflicts = public_names(spec.prefix, offered, {})
    prompts = [Prompt(public, *key, _with(offered[key], name=public)) for key, public in names.items()]
    return sorted(prompts, key=lambda prompt: prompt.name), conflicts


def _located(there: Mapping[str, Offer], space: UriSpace, kind: str, member: str) -> list[Item]:
    """Resources or templates under their public URIs."""
    items = [
        Item(public, server, own, space.within(server, _with(raw, **{member: public})))
        for server, offer in there.items()
        for own, raw in others_of(offer, kind, member)
        for public in (space.public(server, own),)
    ]
    return sorted(items, key=lambda item: item.name)


def _readable(offer: Offer) -> Readable:
    return Readable(EVERYTHING, NOTHING, tuple(own for own, _ in others_of(offer, "templates", "uriTemplate")))


def _with(raw: bytes, **texts: str) -> bytes:
    """A definition with some of its texts replaced."""
    return _encode({**object_of(raw), **{name: Raw(_encode(text)) for name, text in texts.items()}})


def _tool(public: str, key: Key, offered: Offered, selection: ProfileServerSpec, space: UriSpace) -> Tool:
    server, own = key
    pinned = selection.arguments.get(own, {})
    definition = object_of(offered.raw)
    definition["name"] = Raw(_encode(public))
    if own in selection.describe:
        definition["description"] = Raw(_encode(selection.describe[own]))
    if pinned and "inputSchema" in definition:
        definition["inputSchema"] = Raw(_without(bytes(definition["inputSchema"]), pinned))
    return Tool(
        public,
        server,
        own,
        space.within(server, _encode(definition)),
        {name: _encode(value) for name, value in pinned.items()},
        tuple((path, header) for path, header in offered.mirrored if path[0] not in pinned),
    )


def _without(schema: bytes, pinned: Mapping[str, Any]) -> bytes:
    """An input schema that no longer mentions the pinned arguments."""
    members = object_of(schema)
    properties = members.get("properties")
    if properties is not None and bytes(properties).startswith(b"{"):
        kept = {name: value for name, value in object_of(bytes(properties)).items() if name not in pinned}
        members["properties"] = Raw(_encode(kept))
    required = members.get("required")
    if required is not None and bytes(required).startswith(b"["):
        hidden = {_encode(name) for name in pinned}
        members["required"] = Raw(_encode([one for one in _raws.decode(bytes(required)) if bytes(one) not in hidden]))
    return _encode(members)


def _unambiguous(items: Iterable[ItemT]) -> dict[str, ItemT]:
    """Each by its own name, where only one has it."""
    owners: dict[str, ItemT | None] = {}
    for item in items:
        owners[item.own] = None if item.own in owners else item
    return {own: item for own, item in owners.items() if item is not None}


def _gaps(spec: ProfileSpec, offers: Mapping[str, Offer]) -> Iterable[Gap]:
    for server in spec.servers:
        offer = offers.get(server)
        if offer is None:
            yield Gap(server, "disabled", 0.0, "this server is disabled")
        elif offer.state != "ready":
            yield Gap(server, str(offer.state), offer.since, offer.error or "it has not answered yet")


def _instructions(spec: ProfileSpec, there: Mapping[str, Offer]) -> str:
    """The profile's own instructions first, since clients cut the text; then what its servers say of themselves."""
    parts = [spec.instructions] if spec.instructions else []
    for server, offer in there.items():
        if offer.instructions:
            parts.append(offer.instructions if is_identity(spec) else f"{server}: {offer.instructions}")
    return "\n\n".join(parts)[:8192]
