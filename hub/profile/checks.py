"""What is wrong with a profile, as far as its servers' tools are known: names taken twice, rules without effect."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Raw

from hub.core.principal import Globs
from hub.core.refusal import Fault
from hub.profile.compose import compose
from hub.profile.offers import Offer
from hub.resources.tools import ProfileServerSpec, ProfileSpec

_object = msgspec.json.Decoder(dict[str, Raw])


def faults_in(name: str, spec: ProfileSpec, offers: Mapping[str, Offer]) -> list[Fault]:
    """Every fault that shows against what the servers offer now; a server of which nothing is known shows none."""
    where = f"profiles.{name}"
    found = [
        Fault(f"{where}.prefix", f"the name '{taken}' is taken; {tool} is shown under another one. Rename one of them.")
        for taken, tool in compose(name, spec, offers).conflicts
    ]
    for server, selection in spec.servers.items():
        tools = {tool.name: tool.raw for tool in offers[server].tools} if server in offers else {}
        if tools:
            found += _of_server(f"{where}.servers.{server}", selection, tools)
    return found


def _of_server(where: str, selection: ProfileServerSpec, tools: Mapping[str, bytes]) -> Iterator[Fault]:
    for field in ("tools", "confirm"):
        for index, glob in enumerate(getattr(selection, field)):
            if not any(Globs((glob.removeprefix("!"),)).allows(tool) for tool in tools):
                yield Fault(f"{where}.{field}.{index}", f"'{glob}' matches no tool; there are: {_some(tools)}")
    for field in ("rename", "describe", "arguments"):
        for tool in getattr(selection, field):
            yield from _of_rule(f"{where}.{field}.{tool}", tool, selection, tools)
    for tool, pinned in selection.arguments.items():
        known = _arguments(tools.get(tool, b"{}"))
        for argument in pinned.keys() - known if known else ():
            message = f"the tool has no argument '{argument}'; there are: {_some(known)}"
            yield Fault(f"{where}.arguments.{tool}.{argument}", message)


def _of_rule(where: str, tool: str, selection: ProfileServerSpec, tools: Mapping[str, bytes]) -> Iterator[Fault]:
    if tool not in tools:
        close = difflib.get_close_matches(tool, tools, n=1)
        yield Fault(
            where,
            "there is no such tool; " + (f"did you mean '{close[0]}'?" if close else f"there are: {_some(tools)}"),
        )
    elif not Globs(tuple(selection.tools)).allows(tool):
        yield Fault(where, "this has no effect: 'tools' does not choose this tool")


def _arguments(definition: bytes) -> frozenset[str]:
    """The arguments that a tool's schema names."""
    try:
        schema = _object.decode(_object.decode(definition).get("inputSchema", b"{}"))
        return frozenset(_object.decode(schema.get("properties", b"{}")))
    except msgspec.DecodeError:
        return frozenset()


def _some(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
