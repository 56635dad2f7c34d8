"""What the buttons beside a resource do, each through the API: rotate, revoke, switch off, test, delete and so on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.core.refusal import Conflict
from hub.ui.sources import Visit
from hub.ui.typed import counted

_VAULT = "vault:"


@dataclass(frozen=True, slots=True)
class Act:
    """A button that was pressed on the page of a resource, with the fields of its form."""

    visit: Visit
    kind: str
    name: str
    form: Mapping[str, str]

    @property
    def path(self) -> str:
        """The resource's own, in the API."""
        return f"/{self.kind}/{self.name}"

    def number(self, name: str) -> int:
        """A whole number that was sent, 0 for anything else."""
        return counted(self.form.get(name, "")) or 0

    @property
    def seen(self) -> int | None:
        """The version that stood on the page."""
        return counted(self.form.get("seen", ""))


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: a word for the page that follows, a secret to be shown once, a link, or what a test found."""

    said: str = ""
    gone: bool = False
    secret: str = ""
    link: dict[str, Any] = field(default_factory=dict[str, Any])
    tested: dict[str, Any] = field(default_factory=dict[str, Any])


async def _delete(act: Act) -> Done:
    await act.visit.send("DELETE", act.path, query={} if act.seen is None else {"version": str(act.seen)})
    return Done("deleted", gone=True)


async def _restore(act: Act) -> Done:
    await act.visit.send("POST", f"{act.path}/restore", {"version": act.number("version"), "seen": act.seen})
    return Done("restored")


async def _rotate(act: Act) -> Done:
    made = await act.visit.send("POST", f"{act.path}/rotate", {"overlap_seconds": act.number("overlap")})
    return Done(secret=made["secret"])


async def _revoke(act: Act) -> Done:
    await act.visit.send("POST", f"{act.path}/revoke")
    return Done("revoked")


async def _sign_out(act: Act) -> Done:
    await act.visit.send("DELETE", f"{act.path}/sign-ins")
    return Done("sent")


async def _password(act: Act) -> Done:
    await act.visit.send("PUT", f"{act.path}/password", {"password": act.form.get("password", "")})
    return Done("sent")


async def _link(act: Act) -> Done:
    return Done(link=await act.visit.send("POST", f"{act.path}/sign-in-link"))


async def _switch_on(act: Act) -> Done:
    return await _switched(act, on=True)


async def _switch_off(act: Act) -> Done:
    return await _switched(act, on=False)


async def _switched(act: Act, *, on: bool) -> Done:
    found = await act.visit.get(act.path)
    spec = {**found["spec"], "enabled": on}
    await act.visit.send("PUT", act.path, {"spec": spec, "version": found["version"]})
    return Done("switched-on" if on else "switched-off")


async def _test(act: Act) -> Done:
    return Done(tested=await act.visit.send("POST", f"{act.path}/test"))


async def _credential(act: Act) -> Done:
    """A new credential goes into the vault: under the name that the provider reads it by, or one of its own."""
    found = await act.visit.get(act.path)
    reference = found["spec"].get("api_key") or ""
    name = reference.removeprefix(_VAULT) if reference.startswith(_VAULT) else f"provider-{act.name}"[:64].rstrip("-.")
    await act.visit.send("PUT", f"/secrets/{name}", {"value": act.form.get("value", "").strip()})
    if reference != f"{_VAULT}{name}":
        spec = {**found["spec"], "api_key": f"{_VAULT}{name}"}
        await act.visit.send("PUT", act.path, {"spec": spec, "version": found["version"]})
    return await _test(act)


def overtaken(conflict: Conflict, resource: Mapping[str, Any] | None) -> str:
    """What to say when a button was pressed beside something that somebody else has changed since. Raises what else it is."""
    if conflict.code != "version_conflict":
        raise conflict
    who = f"{resource['updated_by']} saved version {resource['version']}" if resource else "somebody deleted it"
    return f"Nothing was done: {who} in the meantime. Look at it, then decide again."


ACTIONS: Mapping[str, Callable[[Act], Awaitable[Done]]] = {
    "delete": _delete,
    "restore": _restore,
    "rotate": _rotate,
    "revoke": _revoke,
    "sign-out": _sign_out,
    "password": _password,
    "link": _link,
    "switch-on": _switch_on,
    "switch-off": _switch_off,
    "test": _test,
    "credential": _credential,
}
