"""A profile as its clients see it: tools, prompts and resources under public names, and the way back to each."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec
from msgspec import Raw

from hub.core.principal import Access, Globs, Principal
from hub.profile.lock import Drift, Pin
from hub.profile.naming import Given
from hub.profile.uris import UriSpace, template_matcher

_MOST_LISTS = 256  # one for each kind and set of grants in use
PAGE_BYTES = 1 << 20  # of definitions at once: all of nearly every list, since some clients read one page alone

_object = msgspec.json.Decoder(dict[str, Raw])


class Kind(StrEnum):
    """What can be listed, as the protocol names it in its answers."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    TEMPLATES = "resourceTemplates"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a server. `own` is its name there (of a resource its URI, of a template the template).

    `name` is what clients call it, `definition` what they see of it, as JSON.
    """

    name: str
    server: str
    own: str
    definition: bytes

    @property
    def grant(self) -> str:
        """What a caller needs a grant for: `server/own`."""
        return f"{self.server}/{self.own}"

    @property
    def tokens(self) -> int:
        """About how many tokens the definition takes in a prompt (bytes / 4)."""
        return len(self.definition) // 4


@dataclass(frozen=True, slots=True)
class Tool(Item):
    """One tool. `pinned` are arguments that the hub sets, `defaults` those it adds where there are none; raw JSON.

    `mirrored` pairs the path of each argument that modern clients repeat in a header with the rest of that
    header's name. `offered` is the definition as its server gave it. `meta` is set on a tool that is the hub's own, of no
    server: which one it is.
    """

    pinned: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    defaults: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    mirrored: tuple[tuple[tuple[str, ...], str], ...] = ()
    offered: bytes = b""
    meta: str = ""

    def filled(self, arguments: bytes) -> bytes:
        """The arguments that the server gets for a caller's (a JSON object)."""
        return _filled(arguments, self.defaults, self.pinned)

    def with_definition(self, definition: bytes) -> "Tool":
        """The same tool with another definition."""
        return self if definition is self.definition else replace(self, definition=definition)


@dataclass(frozen=True, slots=True)
class Prompt(Item):
    """One prompt. `pinned` are arguments that the hub sets, raw JSON."""

    pinned: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    def filled(self, arguments: bytes) -> bytes:
        """The arguments that the server gets for a caller's (a JSON object)."""
        return _filled(arguments, {}, self.pinned)


def _filled(arguments: bytes, defaults: Mapping[str, bytes], pinned: Mapping[str, bytes]) -> bytes:
    if not pinned and not defaults:
        return arguments
    given = {name: Raw(value) for name, value in defaults.items()}
    given |= _object.decode(arguments)
    return msgspec.json.encode(given | {name: Raw(value) for name, value in pinned.items()})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URI leads: the server, and its own URI there."""

    server: str
    own: str

    @property
    def grant(self) -> str:
        """What a caller needs a grant for: `server/own`."""
        return f"{self.server}/{self.own}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A server that is not as it should be. `since` is seconds since the epoch."""

    server: str
    state: str
    since: float
    message: str


@dataclass(frozen=True, slots=True)
class Readable:
    """Which URIs of one server a profile lets through: those that a glob chooses, and expansions of chosen templates."""

    chosen: Globs
    refused: Globs
    templates: tuple[str, ...] = ()

    def allows(self, own: str) -> bool:
        """Whether a server's own URI may be read, also one that it does not list."""
        if self.refused.allows(own):
            return False
        return self.chosen.allows(own) or any(template_matcher(one)(own) for one in self.templates)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as a caller sees it: the JSON array of all definitions, and what tells it from another.

    `items` are those of a list that is too long for one page.
    """

    whole: bytes
    revision: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile as its clients see it: everything by public name, sorted; and what is missing, said openly.

    `others` and `other_prompts` are further names by which something can be called: its own, where only one has
    it, and those that it had before. `own_uris` are own URIs that one server alone lists. `digest` changes when and
    only when the visible tools do. `is_lost` says that no server can be reached and none of their tools is known.
    `given` are the names it gives, `drifts` the tools that are not as they were approved, `first_seen` those to pin.
    `max_results` is how many bytes a result of a server may have. `resources_as_tools` says that there are tools that
    list and read resources. `whole` is the profile with all its tools, where this is it in another mode.
    """

    name: str
    tools: Mapping[str, Tool]
    others: Mapping[str, Tool]
    gaps: tuple[Gap, ...]
    conflicts: tuple[tuple[str, str], ...]
    instructions: str
    digest: str
    is_lost: bool = False
    prompts: Mapping[str, Prompt] = field(default_factory=dict[str, Prompt])
    other_prompts: Mapping[str, Prompt] = field(default_factory=dict[str, Prompt])
    resources: Mapping[str, Item] = field(default_factory=dict[str, Item])
    templates: Mapping[str, Item] = field(default_factory=dict[str, Item])
    readable: Mapping[str, Readable] = field(default_factory=dict[str, Readable])
    own_uris: Mapping[str, str] = field(default_factory=dict[str, str])
    space: UriSpace = UriSpace()
    given: tuple[Given, ...] = ()
    drifts: tuple[Drift, ...] = ()
    first_seen: tuple[Pin, ...] = ()
    max_results: Mapping[str, int] = field(default_factory=dict[str, int])
    resources_as_tools: bool = False
    whole: "ProfileView | None" = None
    _lists: dict[tuple[Kind, tuple[Access, ...]], Listed] = field(
        default_factory=dict[tuple[Kind, tuple[Access, ...]], Listed], repr=False
    )

    # -- finding ---------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Tool | None:
        """The tool of that public name, or of that own name where it is the only one."""
        return self.tools.get(name) or self.others.get(name)

    def find_prompt(self, name: str) -> Prompt | None:
        """The prompt of that public name, or of that own name where it is the only one."""
        return self.prompts.get(name) or self.other_prompts.get(name)

    def find_resource(self, uri: str) -> Address | None:
        """Where a public URI leads: a listed one, one that a template gives, or one that only the server knows.

        A URI without a server's name leads to the one server that lists it, or whose template gives it.
        """
        place = self.space.split(uri)
        if place is None:
            server = self.own_uris.get(uri) or self._sole_reader(uri)
            place = (server, uri) if server else None
        readable = self.readable.get(place[0]) if place else None
        return Address(*place) if place and readable is not None and readable.allows(place[1]) else None

    def _sole_reader(self, uri: str) -> str:
        """The only server that may know a URI that nobody lists, or ''."""
        if len(self.readable) == 1 and not self.space.servers:
            return next(iter(self.readable))
        found = [
            server
            for server, readable in self.readable.items()
            if any(template_matcher(template)(uri) for template in readable.templates)
        ]
        return found[0] if len(found) == 1 else ""

    # -- URIs ------------------------------------------------------------------------------------------------------

    def incoming(self, server: str, result: bytes) -> bytes:
        """A server's result with its URIs made public; every other byte as it came."""
        return self.space.within(server, result)

    # -- lists -----------------------------------------------------------------------------------------------------

    def items(self, kind: Kind) -> Mapping[str, Item]:
        """All of one kind by public name, sorted."""
        kinds: dict[Kind, Mapping[str, Item]] = {
            Kind.TOOLS: self.tools,
            Kind.PROMPTS: self.prompts,
            Kind.RESOURCES: self.resources,
            Kind.TEMPLATES: self.templates,
        }
        return kinds[kind]

    def visible(self, principal: Principal) -> list[Tool]:
        """The tools that `principal` may use."""
        return [tool for tool in self.tools.values() if self.allows(principal, tool)]

    def allows(self, principal: Principal, item: Item | Address) -> bool:
        """Whether `principal` may use something: a grant for it, or it is the hub's own and needs none."""
        return not item.server or principal.may_use_tool(item.grant)

    def listing(self, principal: Principal, kind: Kind = Kind.TOOLS) -> bytes:
        """The JSON array of the definitions that `principal` may see: made once for each set of grants."""
        return self.listed(principal, kind).whole

    def listed(self, principal: Principal, kind: Kind) -> Listed:
        """The list that `principal` may see, and its revision."""
        key = (kind, principal.access)
        made = self._lists.get(key)
        if made is None:
            chosen = self._chosen(principal, kind)
            whole = _array(chosen)
            made = next((known for known in self._lists.values() if known.whole == whole), None)  # most see the same
            made = made or Listed(
                whole, hashlib.sha256(whole).hexdigest()[:16], chosen if len(whole) > PAGE_BYTES else ()
            )
            if len(self._lists) >= _MOST_LISTS:
                self._lists.clear()
            self._lists[key] = made
        return made

    def _chosen(self, principal: Principal, kind: Kind) -> tuple[Item, ...]:
        return tuple(item for item in self.items(kind).values() if self.allows(principal, item))

    def page(self, principal: Principal, kind: Kind, after: str = "") -> tuple[bytes, str]:
        """What of a list follows the item of that name, as a JSON array of bounded size; and, if more follows, its last name.

        By name, so that whoever reads on sees everything once, also where the list has changed meanwhile.
        """
        listed = self.listed(principal, kind)
        if not after and not listed.items:
            return listed.whole, ""
        items = listed.items or self._chosen(principal, kind)
        first = last = bisect_right(items, after, key=lambda item: item.name)
        size = 0
        while last < len(items) and (size == 0 or size + len(items[last].definition) < PAGE_BYTES):
            size += len(items[last].definition) + 1
            last += 1
        return _array(items[first:last]), items[last - 1].name if last < len(items) else ""


def _array(items: Iterable[Item]) -> bytes:
    return b"[" + b",".join(item.definition for item in items) + b"]"
