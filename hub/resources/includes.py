"""Profiles that include other profiles: laid flat, and what is wrong with how they are composed."""

from collections.abc import Iterator, Mapping

from hub.core.principal import Globs
from hub.core.refusal import Fault
from hub.resources.shaping import HintsSpec, ProfileServerSpec
from hub.resources.tools import ProfileSpec, ServerSpec

_MOST_INSTRUCTIONS = 8192


def flat(profiles: Mapping[str, ProfileSpec]) -> dict[str, ProfileSpec]:
    """Every profile with what it includes in its own `servers`, `instructions` and `guardrails`.

    An included profile that is not there (disabled, say) brings nothing. There are no cycles (`include_faults`).
    """
    made: dict[str, ProfileSpec] = {}
    for name in profiles:
        _flat(name, profiles, made)
    return {name: made[name] for name in profiles}


def _flat(name: str, profiles: Mapping[str, ProfileSpec], made: dict[str, ProfileSpec]) -> ProfileSpec:
    if name in made:
        return made[name]
    spec = profiles[name]
    servers: dict[str, ProfileServerSpec] = {}
    texts, rules = [spec.instructions], [*spec.guardrails]
    for included in spec.include:
        if included in profiles:
            inner = _flat(included, profiles, made)
            texts.append(inner.instructions)
            rules += inner.guardrails
            servers |= {server: _narrowed(selection, inner.only) for server, selection in inner.servers.items()}
    if spec.include:
        instructions = "\n\n".join(text for text in texts if text)[:_MOST_INSTRUCTIONS]
        laid = {"servers": {**servers, **spec.servers}, "guardrails": list(dict.fromkeys(rules))}
        spec = spec.model_copy(update={**laid, "instructions": instructions})
    made[name] = spec
    return spec


def _narrowed(selection: ProfileServerSpec, only: HintsSpec | None) -> ProfileServerSpec:
    """A selection of an included profile, with what holds for the whole of that profile."""
    return selection if only is None else selection.model_copy(update={"only": only.also(selection.only)})


def confirming(
    profiles: Mapping[str, ProfileSpec], laid: Mapping[str, ProfileSpec], servers: Mapping[str, ServerSpec]
) -> dict[tuple[str, str], tuple[Globs, ...]]:
    """Whose calls wait for their user: for a profile and a server of it, what either says, and each profile that it includes.

    Each of them counts for itself, so that no profile lets go what its server or a profile within it demands. `laid` are
    the profiles as `flat` lays them.
    """
    found: dict[tuple[str, str], tuple[Globs, ...]] = {}
    for name, spec in laid.items():
        within = [profiles[one] for one in _within(name, profiles)]
        for server in spec.servers:
            said = [one.servers[server].confirm for one in within if server in one.servers]
            said += [servers[server].confirm] if server in servers else []
            globs = dict.fromkeys(Globs(tuple(patterns)) for patterns in said if patterns)
            if globs:
                found[name, server] = tuple(globs)
    return found


def _within(name: str, profiles: Mapping[str, ProfileSpec]) -> list[str]:
    """A profile and all that it includes, each once."""
    found = [name]
    for one in found:
        found += [inner for inner in profiles[one].include if inner in profiles and inner not in found]
    return found


def include_faults(profiles: Mapping[str, ProfileSpec]) -> Iterator[Fault]:
    """Profiles that are not there or include themselves, servers that come from two, `only` that contradicts."""
    for name, spec in sorted(profiles.items()):
        where = f"profiles.{name}.include"
        for index, included in enumerate(spec.include):
            if included not in profiles:
                known = ", ".join(sorted(profiles)[:10])
                yield Fault(f"{where}.{index}", f"there is no profile '{included}' (there are: {known})")
            elif circle := _circle(included, name, profiles):
                message = f"profiles include each other in a circle: {' -> '.join((name, *circle))}. Take one out."
                yield Fault(f"{where}.{index}", message)
        yield from _twice(name, spec, profiles)
        for server, selection in spec.servers.items():
            yield from _contradictions(f"profiles.{name}.servers.{server}", spec, selection)


def _circle(start: str, goal: str, profiles: Mapping[str, ProfileSpec]) -> list[str]:
    """The way from `start` back to `goal`, or nothing."""
    ways: list[list[str]] = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        for included in profiles[way[-1]].include:
            if included in profiles and included not in seen:
                seen.add(included)
                ways.append([*way, included])
    return []


def _twice(name: str, spec: ProfileSpec, profiles: Mapping[str, ProfileSpec]) -> Iterator[Fault]:
    origins: dict[str, str] = {}
    for included in spec.include:
        for server in _servers(included, profiles, {name}):
            if server in origins and origins[server] != included and server not in spec.servers:
                message = (
                    f"'{server}' comes from both '{origins[server]}' and '{included}': say under servers what to take"
                )
                yield Fault(f"profiles.{name}.servers.{server}", message)
            origins[server] = included


def _servers(name: str, profiles: Mapping[str, ProfileSpec], seen: set[str]) -> set[str]:
    if name in seen or name not in profiles:
        return set()
    seen.add(name)
    spec = profiles[name]
    return set(spec.servers).union(*(_servers(included, profiles, seen) for included in spec.include))


def _contradictions(where: str, spec: ProfileSpec, selection: ProfileServerSpec) -> Iterator[Fault]:
    if spec.only is not None and selection.only is not None:
        try:
            spec.only.also(selection.only)
        except ValueError as error:
            yield Fault(f"{where}.only", f"{error} (the profile's): no tool can be both")
