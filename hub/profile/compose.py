"""Composing a profile: choose, name, shape, and remember how to get back."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from hub.core.principal import Globs
from hub.profile.choosing import takes_tool, weigh_prompt, weigh_resource
from hub.profile.lock import Drift, Locked, Pin, Variant, locked
from hub.profile.naming import Given, Kept, Key, kept_for, public_names, room_of
from hub.profile.offers import Located, Offer, Offered
from hub.profile.shaping import shaped_prompt, shaped_resource, shaped_tool
from hub.profile.uris import UriSpace
from hub.profile.view import Gap, Item, ProfileView, Prompt, Readable, Tool
from hub.resources.tools import ProfileSpec

_AWAY = ("failed", "disabled")
_MOST_INSTRUCTIONS = 8192
ItemT = TypeVar("ItemT", bound=Item)
Conflicts = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a profile: names that were given, and definitions that were approved.

    `variants` are those that were approved beside the pinned ones, for accounts that are offered something else.
    """

    names: tuple[Given, ...] = ()
    pins: Mapping[Key, Pin] = field(default_factory=dict[Key, Pin])
    variants: frozenset[Variant] = frozenset()


_NOTHING = Known()


def is_identity(spec: ProfileSpec) -> bool:
    """Whether a profile shows one server as if it were reached directly: its own names, its own URIs."""
    return spec.prefix == "never" and len(spec.servers) == 1


def compose(name: str, spec: ProfileSpec, offers: Mapping[str, Offer], known: Known = _NOTHING) -> ProfileView:
    """What a profile shows, from what its servers offer (servers that are not in `offers` count as gone)."""
    there = {server: offers[server] for server in spec.servers if server in offers}
    chosen = taken_tools(spec, there)
    lock = locked(known.pins, chosen, known.variants) if spec.lock else Locked()
    if spec.lock == "enforce":
        chosen = {key: tool for key, tool in chosen.items() if not _is_held(key, lock.drifts)}
    space = _space(spec, there)
    names = _Names(name, spec, known.names)
    tools = sorted(_tools(spec, chosen, names, space), key=_by_name)
    prompts = sorted(_prompts(spec, there, names), key=_by_name)
    resources = sorted(_located(spec, there, space, "resources"), key=_by_name)
    gaps = tuple(_gaps(spec, offers))
    return ProfileView(
        name=name,
        tools={tool.name: tool for tool in tools},
        others={**_unambiguous(tools), **names.aliases("tools", tools)},
        gaps=gaps,
        conflicts=tuple(names.conflicts),
        instructions=_instructions(spec, there),
        digest=hashlib.sha256(b"\n".join(tool.definition for tool in tools)).hexdigest(),
        is_lost=bool(gaps) and not tools and len(gaps) == len(spec.servers) and all(gap.state in _AWAY for gap in gaps),
        prompts={prompt.name: prompt for prompt in prompts},
        other_prompts={**_unambiguous(prompts), **names.aliases("prompts", prompts)},
        resources={item.name: item for item in resources},
        templates={item.name: item for item in sorted(_located(spec, there, space, "templates"), key=_by_name)},
        readable={server: _readable(spec, server, offer) for server, offer in there.items()},
        own_uris={own: item.server for own, item in _unambiguous(resources).items()},
        space=space,
        given=tuple(names.given),
        drifts=lock.drifts,
        first_seen=lock.first_seen,
        max_results=_max_results(spec),
        resources_as_tools=spec.resources_as_tools,
    )


def taken_tools(spec: ProfileSpec, there: Mapping[str, Offer]) -> dict[Key, Offered]:
    """The tools that a profile's rules take, locks aside."""
    return {
        (server, tool.name): tool
        for server, offer in there.items()
        for tool in offer.tools
        if takes_tool(spec, server, tool)
    }


def _is_held(key: Key, drifts: Iterable[Drift]) -> bool:
    return any(drift.key == key for drift in drifts)


def _max_results(spec: ProfileSpec) -> dict[str, int]:
    wanted = {server: selection.max_result or spec.max_result for server, selection in spec.servers.items()}
    return {server: most for server, most in wanted.items() if most is not None}


def _by_name(item: Item) -> str:
    return item.name


class _Names:
    """Gives names, and collects what was given and what was wrong with it."""

    def __init__(self, profile: str, spec: ProfileSpec, before: tuple[Given, ...]) -> None:
        self._room = room_of(profile)
        self._spec = spec
        self._before = before
        self.given: list[Given] = []
        self.conflicts: Conflicts = []

    def give(self, kind: str, keys: Iterable[Key], renamed: Mapping[Key, str]) -> dict[Key, str]:
        if is_identity(self._spec):
            return {key: renamed.get(key, key[1]) for key in keys}
        prefix = self._spec.prefix
        kept: Kept = kept_for(self._before, kind, prefix, self._spec.servers.keys())
        names, conflicts = public_names(prefix, keys, renamed, kept, self._room)
        self.conflicts += conflicts
        self.given += [
            Given(kind, public, *key, "rename" if key in renamed else prefix) for key, public in sorted(names.items())
        ]
        return names

    def aliases(self, kind: str, items: Iterable[ItemT]) -> dict[str, ItemT]:
        """Each by the names that it had before, where nobody else has them now."""
        by_key = {(item.server, item.own): item for item in items}
        now = {item.name for item in by_key.values()}
        return {
            one.name: by_key[one.key]
            for one in self._before
            if one.kind == kind and one.key in by_key and one.name not in now
        }


def _space(spec: ProfileSpec, there: Mapping[str, Offer]) -> UriSpace:
    if is_identity(spec):
        return UriSpace()
    web = [
        (server, one.uri)
        for server, offer in there.items()
        for one in (*offer.resources, *offer.templates)
        if one.uri.lower().startswith("http")
    ]
    return UriSpace(frozenset(spec.servers), frozenset(web))


def _tools(spec: ProfileSpec, chosen: Mapping[Key, Offered], names: _Names, space: UriSpace) -> Iterator[Tool]:
    renames = {server: selection.rename for server, selection in spec.servers.items()}
    renamed = {(server, own): renames[server][own] for server, own in chosen if own in renames[server]}
    for key, public in names.give("tools", chosen, renamed).items():
        server = key[0]
        tool = shaped_tool(public, server, chosen[key], spec.servers[server])
        yield tool.with_definition(space.within(server, tool.definition))


def _prompts(spec: ProfileSpec, there: Mapping[str, Offer], names: _Names) -> Iterator[Prompt]:
    chosen = {
        (server, prompt.name): prompt.raw
        for server, offer in there.items()
        for prompt in offer.prompts
        if weigh_prompt("", spec.servers[server], server, prompt.name).allowed
    }
    rules = {key: spec.servers[key[0]].prompt_rules.get(key[1]) for key in chosen}
    renamed = {key: rule.rename for key, rule in rules.items() if rule is not None and rule.rename is not None}
    for key, public in names.give("prompts", chosen, renamed).items():
        yield shaped_prompt(public, *key, chosen[key], spec.servers[key[0]])


def _located(spec: ProfileSpec, there: Mapping[str, Offer], space: UriSpace, kind: str) -> Iterator[Item]:
    """Resources or templates under their public URIs."""
    for server, offer in there.items():
        selection = spec.servers[server]
        listed: Iterable[Located] = offer.resources if kind == "resources" else offer.templates
        member = "uri" if kind == "resources" else "uriTemplate"
        for one in listed:
            if weigh_resource("", selection, server, one.uri).allowed:
                public = space.public(server, one.uri)
                definition = shaped_resource(public, member, one.uri, one.raw, selection)
                yield Item(public, server, one.uri, space.within(server, definition))


def _readable(spec: ProfileSpec, server: str, offer: Offer) -> Readable:
    selection = spec.servers[server]
    refused = Globs(tuple(glob[1:] for glob in selection.resources if glob.startswith("!")))
    templates = [one.uri for one in offer.templates if weigh_resource("", selection, server, one.uri).allowed]
    return Readable(Globs(tuple(selection.resources)), refused, tuple(templates))


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
    return "\n\n".join(parts)[:_MOST_INSTRUCTIONS]
