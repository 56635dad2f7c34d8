"""What the caller may use: models with price and window, profiles with their tools, the budgets over them."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.core.principal import Principal
from hub.core.refusal import NotFound
from hub.edge.model_lists import openai_model
from hub.edge.own_routes import own_routes
from hub.edge.provider_status import status_view
from hub.edge.routes import Answer, Ask, Route, listed
from hub.identity import Permission
from hub.resources import Snapshot
from hub.routing import ProviderState, visible_models
from hub.store import Resource


@dataclass(frozen=True, slots=True)
class OwnApi:
    """The routes below `/api/v1/me`.

    `profiles` lists what a principal sees, `budget` what is observed of one, `server_tools` what a server offers,
    `find` a resource by its kind and name, `provider_state` how a provider fares.
    """

    profiles: Callable[[Principal], list[dict[str, Any]]]
    budget: Callable[[str], Awaitable[dict[str, Any]]]
    server_tools: Callable[[str], list[dict[str, Any]]]
    find: Callable[[str, str], Awaitable[Resource | None]]
    provider_state: Callable[[str], ProviderState]

    async def _models(self, ask: Ask) -> Answer:
        found = visible_models(ask.snapshot, ask.principal)
        return listed(ask, [openai_model(model) for model in found])

    async def _profiles(self, ask: Ask) -> Answer:
        return listed(ask, self.profiles(ask.principal))

    async def _providers(self, ask: Ask) -> Answer:
        return listed(ask, status_view(ask.snapshot, ask.principal, self.provider_state)["providers"])

    async def _budgets(self, ask: Ask) -> Answer:
        names = budgets_over(ask.snapshot, ask.principal)
        items = [
            {
                "name": name,
                "title": ask.snapshot.budgets[name].title,
                "usd": ask.snapshot.budgets[name].usd,
                "period": ask.snapshot.budgets[name].period,
                "mode": ask.snapshot.budgets[name].mode,
                "status": await self.budget(name),
            }
            for name in names
        ]
        return listed(ask, items)

    async def _routes(self, ask: Ask) -> Answer:
        return listed(ask, await own_routes(ask.snapshot, ask.principal, self.find))

    async def _servers(self, ask: Ask) -> Answer:
        items: list[dict[str, Any]] = []
        for name, spec in ask.snapshot.servers.items():
            tools = self._usable(ask.principal, name)
            if tools:
                items.append(
                    {
                        "name": name,
                        "title": spec.title,
                        "description": spec.description,
                        "categories": spec.categories,
                        "tools": len(tools),
                        "tokens": sum(int(tool["tokens"]) for tool in tools),
                    }
                )
        return listed(ask, items)

    async def _server_tools(self, ask: Ask) -> Answer:
        name = ask.path("name")
        tools = self._usable(ask.principal, name) if name in ask.snapshot.servers else []
        if not tools:
            raise NotFound("not_found", f"There is no server '{name[:64]}' with a tool that you may use.")
        return listed(ask, tools)

    def _usable(self, principal: Principal, server: str) -> list[dict[str, Any]]:
        return [tool for tool in self.server_tools(server) if principal.may_use_tool(f"{server}/{tool['name']}")]

    def routes(self) -> Iterator[Route]:
        """The rows."""
        for name, summary, endpoint in (
            ("models", "The models that you may call", self._models),
            ("profiles", "The profiles that you may use, with their tools", self._profiles),
            (
                "providers",
                "The providers that your models lead to, and how they fared in the last minutes",
                self._providers,
            ),
            ("servers", "The MCP servers with tools that you may use, for composing profiles", self._servers),
            ("servers/{name}/tools", "Those tools of a server, under their own names", self._server_tools),
            ("routes", "The routes that lead your calls, with their rules that can hold for you", self._routes),
            ("budgets", "The budgets that your calls count against", self._budgets),
        ):
            yield Route("GET", f"/api/v1/me/{name}", Permission.SELF, summary, endpoint, "people", reply="Page")


def budgets_over(snapshot: Snapshot, principal: Principal) -> list[str]:
    """The budgets whose scope is this very caller: their key, user and team. That of the hub is not theirs to see."""
    own = {("team", principal.team), ("user", principal.user), ("key", principal.key)}
    told = {name: spec for name, spec in snapshot.budgets.items() if spec.mode != "shadow"}
    return [name for name, spec in told.items() if spec.scope.parts in own and spec.scope.parts[1]]
