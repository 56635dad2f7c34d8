"""Trying providers over HTTP: whether each credential is taken, and which models there are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import msgspec

from hub.core.plan import Deployment
from hub.edge.routes import Answer, Ask, Route
from hub.identity import Permission
from hub.resources import parse
from hub.resources.provider_kinds import KINDS
from hub.resources.serving import ProviderSpec
from hub.resources.snapshot import Provider
from hub.store import Resources
from hub.upstream import ProviderChecks


@dataclass(frozen=True, slots=True)
class ProvidersApi:
    """The route. A provider that is switched off can be tried, too: before it is switched on."""

    resources: Resources
    checks: ProviderChecks

    async def _test(self, ask: Ask) -> Answer:
        name = ask.path("name")
        checked = await self.checks.run(await self._deployment(name))
        await self.resources.note(ask.actor, "test", detail=f"providers/{name}", of=("providers", name))
        found = {one.ok for one in checked}
        return Answer(
            {
                "provider": name,
                "ok": False if False in found else None if None in found else True,
                "checks": [{**msgspec.structs.asdict(one), "models": len(one.models)} for one in checked],
                "models": sorted({model for one in checked for model in one.models}),
            }
        )

    async def _deployment(self, name: str) -> Deployment:
        """Where the provider is, with its credentials; an own credential's provider is the one that it stands for."""
        spec = await self._spec(name)
        if spec.instead_of is None:
            return Provider(name, spec, KINDS[spec.kind]).deployment("")
        whole = await self._spec(spec.instead_of)
        return replace(Provider(name, whole, KINDS[whole.kind]).deployment(""), secret=spec.api_key or "", spares=())

    async def _spec(self, name: str) -> ProviderSpec:
        spec = parse("providers", name, (await self.resources.get("providers", name)).spec)
        return cast("ProviderSpec", spec)

    def routes(self) -> Iterator[Route]:
        """The row."""
        yield Route(
            "POST",
            "/api/v1/providers/{name}/test",
            Permission.PLATFORM_WRITE,
            "Try each credential of a provider by asking for its models, which costs nothing",
            self._test,
            "providers",
        )
