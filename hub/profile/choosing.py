"""Which tools, prompts and resources a profile takes: each rule in turn, with its verdict and its reason."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from hub.core.principal import Globs
from hub.profile.offers import Offered, object_of
from hub.resources.shaping import AnnotateSpec, HintsSpec, ProfileServerSpec
from hub.resources.tools import ProfileSpec

_HINTS = {
    "read_only": "readOnlyHint",
    "destructive": "destructiveHint",
    "idempotent": "idempotentHint",
    "open_world": "openWorldHint",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says. `rule` is where it stands, `reason` a sentence for people."""

    allowed: bool
    rule: str
    reason: str


def weigh_tool(name: str, spec: ProfileSpec, server: str, tool: Offered) -> Iterator[Verdict]:
    """What each rule of profile `name` says about a server's tool. It is taken when all allow it."""
    selection = spec.servers[server]
    where = f"profiles.{name}.servers.{server}"
    yield _globs(f"{where}.tools", selection.tools, tool.name)
    if selection.hide:
        hidden = next((glob for glob in selection.hide if Globs((glob,)).allows(tool.name)), "")
        reason = f"'{hidden}' hides it" if hidden else "nothing there hides it"
        yield Verdict(not hidden, f"{where}.hide", reason)
    for rule, only in ((f"profiles.{name}.only", spec.only), (f"{where}.only", selection.only)):
        if only is not None:
            yield _only(rule, only, hints_of(tool.raw, selection.annotate.get(tool.name)))


def takes_tool(spec: ProfileSpec, server: str, tool: Offered) -> bool:
    """Whether a profile takes a server's tool."""
    return all(verdict.allowed for verdict in weigh_tool("", spec, server, tool))


def weigh_prompt(name: str, selection: ProfileServerSpec, server: str, prompt: str) -> Verdict:
    """What a profile says about a server's prompt."""
    return _globs(f"profiles.{name}.servers.{server}.prompts", selection.prompts, prompt)


def weigh_resource(name: str, selection: ProfileServerSpec, server: str, uri: str) -> Verdict:
    """What a profile says about a server's resource or template, by its own URI."""
    return _globs(f"profiles.{name}.servers.{server}.resources", selection.resources, uri)


def _globs(rule: str, globs: list[str], name: str) -> Verdict:
    for glob in globs:
        if glob.startswith("!") and Globs((glob[1:],)).allows(name):
            return Verdict(False, rule, f"'{glob}' takes it away")
    for glob in globs:
        if not glob.startswith("!") and Globs((glob,)).allows(name):
            return Verdict(True, rule, f"'{glob}' chooses it")
    return Verdict(False, rule, "no pattern chooses it")


def _only(rule: str, only: HintsSpec, hints: dict[str, bool]) -> Verdict:
    for name, wanted in only.model_dump(exclude_none=True).items():
        if hints[name] is not wanted:
            return Verdict(False, f"{rule}.{name}", f"its annotations say {_HINTS[name]}: {str(hints[name]).lower()}")
    return Verdict(True, rule, "its annotations agree")


def hints_of(definition: bytes, override: AnnotateSpec | None) -> dict[str, bool]:
    """What a tool's annotations say, with the protocol's own defaults, and what a profile says instead."""
    given = object_of(bytes(object_of(definition).get("annotations", b"{}")))
    said = {name: bytes(given[member]) == b"true" for name, member in _HINTS.items() if member in given}
    if override is not None:
        said |= override.model_dump(exclude_none=True, exclude={"title"})
    read_only = said.get("read_only", False)
    usual = {"read_only": False, "destructive": not read_only, "idempotent": read_only, "open_world": True}
    return {**usual, **said}


def annotated(annotations: bytes, override: AnnotateSpec) -> bytes:
    """Annotations, with a profile's own put in their place."""
    members = object_of(annotations)
    for name, value in override.model_dump(exclude_none=True).items():
        members[_HINTS.get(name, name)] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(members)
