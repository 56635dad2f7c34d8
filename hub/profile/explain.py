"""Why a tool is or is not visible: every rule in turn, as they are enforced, and the one that decides."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.core.principal import Principal, Reach
from hub.profile.choosing import Verdict, weigh_tool
from hub.profile.naming import Key
from hub.profile.offers import Offer, Offered
from hub.profile.view import ProfileView
from hub.resources.tools import ProfileSpec


@dataclass(frozen=True, slots=True)
class Explanation:
    """The rules about one tool. `decided` is the first that refuses it, or the last; `name` what clients call it."""

    server: str
    tool: str
    name: str
    steps: tuple[Verdict, ...]

    @property
    def visible(self) -> bool:
        """Whether the caller can see and call it."""
        return all(step.allowed for step in self.steps)

    @property
    def decided(self) -> Verdict:
        """The rule that decides."""
        return next((step for step in self.steps if not step.allowed), self.steps[-1])


def explain(
    view: ProfileView, spec: ProfileSpec, offers: Mapping[str, Offer], principal: Principal, asked: str
) -> list[Explanation]:
    """All tools that may be meant by `asked` (a public name, an own one, `server/own`; "" all), each with every rule."""
    public = {(tool.server, tool.own): tool.name for tool in view.tools.values()}
    found = [
        Explanation(*key, public.get(key, ""), tuple(_steps(view, spec, key, tool, principal)))
        for key, tool in _meant(view, spec, offers, asked)
    ]
    return found or [Explanation("", asked, "", tuple(_nowhere(view, spec, offers, asked)))]


def _meant(
    view: ProfileView, spec: ProfileSpec, offers: Mapping[str, Offer], asked: str
) -> Iterator[tuple[Key, Offered]]:
    known = view.find(asked)
    for server, tool in _all(spec, offers):
        if known is not None and known.server:
            if (known.server, known.own) == (server, tool.name):
                yield (server, tool.name), tool
        elif asked in (
            "",
            tool.name,
            f"{server}/{tool.name}",
            f"{server}__{tool.name}",
            spec.servers[server].rename.get(tool.name),
        ):
            yield (server, tool.name), tool


def _all(spec: ProfileSpec, offers: Mapping[str, Offer]) -> Iterator[tuple[str, Offered]]:
    for server in spec.servers:
        if server in offers:
            for tool in offers[server].tools:
                yield server, tool


def _steps(view: ProfileView, spec: ProfileSpec, key: Key, tool: Offered, principal: Principal) -> Iterator[Verdict]:
    yield from weigh_tool(view.name, spec, key[0], tool)
    if spec.lock:
        drift = next((one for one in view.drifts if (one.server, one.own) == key), None)
        held = drift is not None and spec.lock == "enforce"
        reason = f"it is {drift.state} since it was approved" if drift else "it is as it was approved"
        yield Verdict(not held, f"profiles.{view.name}.lock", reason + (": hub tools approve" if held else ""))
    yield from weigh_access(principal, Reach.PROFILE, view.name, is_open=spec.security == "none")
    yield from weigh_access(principal, Reach.TOOL, f"{key[0]}/{key[1]}")


def weigh_access(principal: Principal, reach: Reach, name: str, *, is_open: bool = False) -> Iterator[Verdict]:
    """What each level of a caller's access says."""
    what = reach.removesuffix("s")
    if is_open:
        yield Verdict(True, "security: none", f"the {what} is open to everybody")
        return
    if not principal.access:
        yield Verdict(False, "access", f"{principal.id} has no access at all")
    for index, level in enumerate(principal.access, 1):
        allowed = getattr(level, reach).allows(name)
        verb = "grants" if allowed else "does not grant"
        yield Verdict(
            allowed, f"access.{index}.{reach}", f"level {index} of {len(principal.access)} {verb} {what} '{name}'"
        )


def _nowhere(view: ProfileView, spec: ProfileSpec, offers: Mapping[str, Offer], asked: str) -> Iterator[Verdict]:
    names = {tool.name for _, tool in _all(spec, offers)} | set(view.tools)
    close = difflib.get_close_matches(asked, names, n=3)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    ill = [f"{gap.server} is {gap.state}" for gap in view.gaps]
    missing = f" ({'; '.join(ill)})" if ill else ""
    refused = [
        f"{server} offers it, but it is left out: {reason}"
        for server in spec.servers
        if server in offers
        for name, reason in getattr(offers[server], "rejected", ())
        if name == asked
    ]
    reason = refused[0] if refused else f"no server of this profile offers '{asked[:128]}'{missing}{hint}"
    yield Verdict(False, f"profiles.{view.name}.servers", reason)
