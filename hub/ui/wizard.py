"""The first steps: a team, a provider, a model, a profile, a key. Each step writes through the API as it is done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Forbidden, InvalidSpec, Refusal
from hub.resources.provider_kinds import KINDS
from hub.ui.resources import form_of
from hub.ui.site import Site
from hub.ui.sources import Visit

_LISTED = 400


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, what it is for, and the kind of resource by which it counts as done."""

    name: str
    title: str
    why: str
    kind: str


STEPS = (
    Step("team", "Organisation", "A team holds people and keys, and grants them models and tools.", "teams"),
    Step(
        "provider",
        "Provider",
        "Who serves your models. Its key goes to the vault and is never shown again.",
        "providers",
    ),
    Step(
        "model", "Models", "A name of your own for callers; what answers behind it can change without them.", "models"
    ),
    Step("profile", "Profile", "A set of tools at one address that MCP clients add once.", "profiles"),
    Step("key", "Key", "What a program calls the hub with. Its secret is shown once.", "keys"),
)


class WizardPages:
    """`/admin/start`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/admin/start", self._site.page(self._start), methods=["GET", "POST"])]

    async def _start(self, visit: Visit) -> Response:
        if not visit.can("people.write"):
            raise Forbidden("forbidden", "The first steps set a hub up: an administrator takes them.")
        step = next((one for one in STEPS if one.name == visit.query("step")), STEPS[0])
        if visit.request.method == "GET":
            return await self._show(visit, step, {}, "")
        values = {name: value for name, value in (await form_of(visit.request)).items() if isinstance(value, str)}
        if values.get("do") == "ask":
            return await self._show(visit, step, values, "", offered=await _offered(visit))
        try:
            secret = await _WRITERS[step.name](visit, values)
        except InvalidSpec as invalid:
            return await self._show(visit, step, values, "; ".join(fault.message for fault in invalid.faults))
        except Refusal as refusal:
            return await self._show(visit, step, values, refusal.message)
        if secret:
            first = {
                "models": (await visit.names("models"))[:1],
                "profiles": (await visit.names("profiles"))[:1],
                "address": visit.address,
            }
            return self._site.show(visit, "secret.html", secret=secret, name=values["name"], back="/admin", first=first)
        place = STEPS.index(step)
        return self._site.go(visit, f"/admin/start?step={STEPS[place + 1].name}", "created")

    async def _show(
        self, visit: Visit, step: Step, values: dict[str, str], note: str, offered: dict[str, Any] | None = None
    ) -> Response:
        made = {one.kind: await visit.items(f"/{one.kind}", view="specs") for one in STEPS}
        made["keys"] = [key for key in made["keys"] if key["name"] != "admin"]
        place = STEPS.index(step)
        targets = [model["id"] for model in await visit.conversing() if "/" in model["id"]]
        said: dict[str, Any] = offered or {"models": [], "faults": []}
        return self._site.show(
            visit,
            "start.html",
            status=422 if note else 200,
            steps=STEPS,
            step=step,
            made=made,
            note=note,
            values=values,
            kinds=sorted(KINDS),
            targets=list(dict.fromkeys([*said["models"], *targets]))[:_LISTED],
            faults=said["faults"],
            asked=offered is not None,
            servers=await visit.names("servers"),
            before=STEPS[place - 1] if place else None,
            after=STEPS[place + 1] if place + 1 < len(STEPS) else None,
        )


async def _offered(visit: Visit) -> dict[str, Any]:
    """What the providers themselves say that they serve, and why where one does not answer."""
    models: list[str] = []
    faults: list[str] = []
    for provider in await visit.names("providers"):
        try:
            found = await visit.send("POST", f"/providers/{provider}/test")
        except Refusal as refusal:
            faults.append(f"{provider}: {refusal.message}")
            continue
        models += [f"{provider}/{name}" for name in found["models"]]
        faults += [f"{provider}: {check['message']}" for check in found["checks"] if check["ok"] is False]
    return {"models": models, "faults": faults}


async def _team(visit: Visit, values: dict[str, str]) -> str:
    spec = {"title": values.get("title", ""), "models": ["*"], "profiles": ["*"]}
    await visit.send("POST", "/teams", {"name": values.get("name", ""), "spec": spec})
    return ""


async def _provider(visit: Visit, values: dict[str, str]) -> str:
    name, key = values.get("name", ""), values.get("key", "").strip()
    spec: dict[str, Any] = {"kind": values.get("kind", "")}
    if values.get("base_url", "").strip():
        spec["base_url"] = values["base_url"].strip()
    if values.get("private"):
        spec["allow_private"] = True
    if key.startswith(("env:", "file:", "vault:")):
        spec["api_key"] = key
    elif key:
        # Written first: a provider whose key is missing would be refused its first call.
        await visit.send("PUT", f"/secrets/{name}-key", {"value": key})
        spec["api_key"] = f"vault:{name}-key"
    await visit.send("POST", "/providers", {"name": name, "spec": spec})
    return ""


async def _model(visit: Visit, values: dict[str, str]) -> str:
    lines = [line.strip() for line in values.get("targets", "").splitlines() if line.strip()]
    targets = [{"model": line, "priority": place} for place, line in enumerate(lines)]
    await visit.send("POST", "/models", {"name": values.get("name", ""), "spec": {"targets": targets}})
    return ""


async def _profile(visit: Visit, values: dict[str, str]) -> str:
    servers: dict[str, Any] = {name.removeprefix("server."): {} for name in values if name.startswith("server.")}
    url = values.get("url", "").strip()
    if url:
        server = values.get("server_name", "").strip() or "server"
        private = {"allow_private": True} if values.get("private") else {}
        await visit.send("POST", "/servers", {"name": server, "spec": {"url": url, **private}})
        servers[server] = {}
    await visit.send("POST", "/profiles", {"name": values.get("name", ""), "spec": {"servers": servers}})
    return ""


async def _key(visit: Visit, values: dict[str, str]) -> str:
    made = await visit.send("POST", "/keys", {"name": values.get("name", ""), "spec": {"team": values.get("team", "")}})
    return str(made.get("secret", ""))


_WRITERS: dict[str, Callable[[Visit, dict[str, str]], Awaitable[str]]] = {
    "team": _team, "provider": _provider, "model": _model, "profile": _profile, "key": _key,
}  # fmt: skip
