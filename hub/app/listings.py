"""What a caller may use of each profile, for catalogues, marketplaces, the registry and the install page."""

from typing import Any

import msgspec

from hub.catalogue import Catalogue
from hub.core.principal import EVERYTHING, NOTHING, Access, Principal
from hub.core.refusal import NotFound, Unauthenticated
from hub.install.listing import Listing, tool_of, version_of
from hub.install.listing import Tool as Listed
from hub.profile import ProfileView, Tool, findings
from hub.resources import Snapshot
from hub.resources.tools import ProfileSpec
from hub.store import Resources
from hub.upstream import ServerDefinitions

_definition = msgspec.json.Decoder(dict[str, Any])
_definition_bytes = msgspec.json.encode
_OPEN = Principal("anonymous", "anonymous", access=(Access(NOTHING, NOTHING, EVERYTHING),))


class Listings:
    """Makes listings, by the same rule that lets a caller in to `/mcp/{profile}`."""

    def __init__(self, resources: Resources, catalogue: Catalogue[ServerDefinitions, ProfileView]) -> None:
        self._resources = resources
        self._catalogue = catalogue

    async def one(self, profile: str, principal: Principal, address: str) -> Listing:
        """One profile. Raises NotFound `profile_not_found`, or Unauthenticated for whoever shows no key."""
        snapshot = self._resources.snapshot()
        spec = snapshot.profiles.get(profile)
        if spec is None or not _may(profile, spec, principal):
            if principal.kind == "anonymous":
                raise Unauthenticated("missing_key", "Sign in, or send a key: this hub shows nothing here without one.")
            raise NotFound("profile_not_found", f"There is no profile '{profile[:64]}' that this key may use.")
        found = await self._listing(snapshot, profile, spec, principal, address)
        if found is None:
            raise NotFound("profile_not_found", f"There is no profile '{profile[:64]}' that this key may use.")
        return found

    async def all(self, principal: Principal, address: str) -> list[Listing]:
        """Every profile that the caller may use, by name."""
        snapshot = self._resources.snapshot()
        made = [
            await self._listing(snapshot, name, spec, principal, address)
            for name, spec in sorted(snapshot.profiles.items())
            if _may(name, spec, principal)
        ]
        return [one for one in made if one is not None]

    def all_are_open(self) -> bool:
        """Whether every profile may be used without a key."""
        return all(spec.security == "none" for spec in self._resources.snapshot().profiles.values())

    async def _listing(
        self, snapshot: Snapshot, name: str, spec: ProfileSpec, principal: Principal, address: str
    ) -> Listing | None:
        view = self._catalogue.view(snapshot, name)
        if view is None:
            return None
        seen_by = _OPEN if principal.kind == "anonymous" else principal
        tools = tuple(_tool(tool) for tool in view.visible(seen_by))
        resource = await self._resources.find("profiles", name)
        spoken = _definition_bytes({"instructions": view.instructions})
        texts = (spec.title or name, spec.description, spec.instructions if _is_flagged(spoken) else view.instructions)
        return Listing(
            profile=name,
            title=texts[0],
            description=texts[1],
            instructions=texts[2],
            security=spec.security,
            url=f"{address}/mcp/{name}",
            version=version_of(resource.version if resource else 0, tools, *texts, address),
            tools=tools,
            updated=resource.updated_at.isoformat() if resource else "",
            gaps=tuple((gap.server, gap.message) for gap in view.gaps),
            models=tuple(spec.models),
        )


def _tool(tool: Tool) -> Listed:
    flagged = _is_flagged(tool.definition)
    return tool_of(_definition.decode(tool.definition), tool.server, tool.tokens, flagged=flagged)


def _is_flagged(definition: bytes) -> bool:
    """Whether a text speaks to a model or hides something: a skill or a rule that copied it would pass it on."""
    return any(finding.kind in ("instruction", "hidden") for finding in findings(definition))


def _may(name: str, spec: ProfileSpec, principal: Principal) -> bool:
    return spec.security == "none" or principal.may_use_profile(name)
