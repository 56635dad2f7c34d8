"""Set a client up for a profile, take it away again, and see how it fares."""

import json
import platform
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hub.cli.client import Api, Connection
from hub.cli.client_keys import end_keys, grant, is_good, narrow, new_key
from hub.cli.output import say, show_json, table, warn
from hub.core.principal import Globs
from hub.core.refusal import Conflict, Malformed, NotFound
from hub.install import (
    Client,
    Entry,
    Facts,
    OwnedKey,
    Plan,
    Undone,
    Where,
    clients,
    condition,
    load,
    missing,
    model_of,
    own_command,
    plan,
    save,
    undo,
)
from hub.install import apply as write
from hub.install import client as client_named
from hub.install.bundle import facts_of
from hub.install.cards import is_loopback
from hub.install.listing import from_json, warnings
from hub.settings import process_environment

_NEW_KEY = "hub_a-key-made-for-this-client"
Named = Annotated[str | None, Parameter(help="Which client: `hub install --status` lists them.")]
Project = Annotated[Path | None, Parameter(help="The project's folder, for --scope project (the current one).")]


def _where(project: Path | None) -> Where:
    system = {"Darwin": "macos", "Windows": "windows"}.get(platform.system(), "linux")
    return Where(Path.home(), process_environment(), system, (project or Path.cwd()).resolve())


def install(
    client: Named = None,
    *,
    profile: Annotated[str | None, Parameter(help="The profile whose tools the client gets.")] = None,
    models: Annotated[bool, Parameter(help="Also use the hub's models.", negative="")] = False,
    passthrough: Annotated[
        bool, Parameter(help="Claude Code: keep your own sign-in at the provider; the hub routes.", negative="")
    ] = False,
    scope: Annotated[str, Parameter(help="user (this machine) or project (a file to commit, without a key).")] = "user",
    name: Annotated[str | None, Parameter(help="What the server is called in the client (the profile's name).")] = None,
    model: Annotated[str | None, Parameter(help="The main model, for --models.")] = None,
    project: Project = None,
    use_key: Annotated[bool, Parameter(help="Write your own key instead of making one.", negative="")] = False,
    managed: Annotated[
        bool, Parameter(help="Claude Code: show the file that signs a machine's people in here.", negative="")
    ] = False,
    dry_run: Annotated[bool, Parameter(help="Show what would be written, and write nothing.", negative="")] = False,
    status: Annotated[bool, Parameter(help="Show what is installed where, and how it fares.", negative="")] = False,
    connection: Connection = Connection(),
) -> int:
    """Write a client's own configuration for a profile: atomically, with a backup, keeping everything else."""
    where = _where(project)
    if status or client is None:
        return _status(where, connection)
    if managed:
        return _managed(client, connection)
    whats = [*(["tools"] if profile else []), *(["passthrough"] if passthrough else ["models"] if models else [])]
    if not whats or scope not in ("user", "project"):
        raise Malformed("malformed", "Say --profile NAME, --models or both; --scope is user or project.")
    chosen = client_named(client)
    if "models" in whats and chosen.file("sign-in", scope):  # for clients that keep it in a file of its own
        whats.append("sign-in")
    if profile and "models" in whats and chosen.file("models", scope) is None:  # its tools are worth having alone
        whats.remove("models")
        warn(f"note: {missing(chosen, 'models', scope)}")
    with connection.api() as api:
        desk = _Desk(api, chosen, where, scope, use_key=use_key)
        plans, key = desk.plans(whats, profile or "", name or "", model or "", dry_run=dry_run)
        if not dry_run:
            for made in plans:
                desk.known = write(made, desk.known, where.state, own_command.way(chosen, where))
    if connection.json:
        _show_plans(plans, key)
        return 0
    _show_done(plans, desk, key, dry_run=dry_run)
    return 0


def _show_done(plans: list[Plan], desk: "_Desk", key: str, *, dry_run: bool) -> None:
    """What was written, and what to do next."""
    for made in plans:
        say(_told(made, key, dry_run=dry_run))
    for text in [] if dry_run else _next_steps(plans, desk.client, desk.main_model):
        say(text)
    for text in desk.cautions:
        warn(f"note: {text}")


# Where Claude Code looks for what an administrator has put in place; not this program's to write.
_MANAGED = {
    "Linux": "/etc/claude-code/managed-settings.json",
    "macOS": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "Windows": r"C:\Program Files\ClaudeCode\managed-settings.json",
}


def _managed(client: str, connection: Connection) -> int:
    """Show what makes every Claude Code of a machine sign in at this hub: a file that only an administrator may write."""
    if client_named(client).name != "claude-code":
        raise Malformed("malformed", "--managed is for claude-code: no other client reads such a file.")
    with connection.api() as api:
        settings = {
            "forceLoginMethod": "gateway",
            "forceLoginGatewayUrl": api.url,
            "parentSettingsBehavior": "merge",
        }
    if connection.json:
        show_json({"settings": settings, "paths": _MANAGED})
        return 0
    say(json.dumps(settings, indent=2))
    for system, path in _MANAGED.items():
        warn(f"{system}: {path}")
    warn("An administrator puts it there, by hand or by the management of devices. Then: claude, /login.")
    if api.url.startswith("http://") and not is_loopback(api.url):
        warn("note: Claude Code signs in over plain http on this machine only. Give the hub https and HUB_PUBLIC_URL.")
    return 0


class _Desk:
    """One run of `hub install`: what the hub says, what this machine knows, and the key that goes between."""

    def __init__(self, api: Api, client: Client, where: Where, scope: str, *, use_key: bool) -> None:
        self.api = api
        self.client = client
        self.where = where
        self.scope = scope
        self.use_key = use_key
        self.known = load(where.state)
        self.cautions: list[str] = list(client.warnings)
        self.main_model = ""

    def plans(self, whats: list[str], profile: str, name: str, model: str, *, dry_run: bool) -> tuple[list[Plan], str]:
        """What would be written, and the key in it."""
        facts = self._facts(profile, name, model, with_models="models" in whats or "passthrough" in whats)
        if facts.name in self.client.reserved:
            raise Conflict(
                "already_exists", f"{self.client.title} keeps the name '{facts.name}' for itself: use --name."
            )
        for what in whats:  # refuse before a key is made
            plan(self.client, what, self.scope, _keyed(facts, _NEW_KEY), self.where, self.known)
        key = ""
        if self.scope == "user" and (facts.needs_key or whats != ["tools"]):
            key = _NEW_KEY if dry_run and not self._kept() else self._key(profile, whats, dry_run=dry_run)
        facts = _keyed(facts, key)
        self.main_model = str(facts.words()["main_model"] or "")
        made: list[Plan] = []
        for what in whats:
            before = {one.path: one.after for one in made}
            made.append(plan(self.client, what, self.scope, facts, self.where, self.known, before))
        return made, key

    def _facts(self, profile: str, name: str, model: str, *, with_models: bool) -> Facts:
        listed = self.api.call("GET", "/v1/models")["data"] if with_models else []
        # The first one is what clients begin with that have no place to say so.
        talking = sorted((item for item in listed if item["kind"] == "chat"), key=lambda item: item["id"] != model)
        found = tuple(model_of(item) for item in talking)
        if model and model not in {one.id for one in found}:
            raise NotFound("model_not_found", f"There is no model '{model}' that this key may call.")
        if not profile:
            return Facts("hub", "", self.api.url, models=found, wanted=model)
        listing = from_json(self.api.call("GET", f"/catalog/{profile}.json"))
        self.cautions += [f"{c.tool or listing.profile}: {c.message}" for c in warnings(listing, [self.client])][:5]
        facts = facts_of(listing, name)
        if listing.models:
            found = tuple(one for one in found if Globs(listing.models).allows(one.id))
            if model and model not in {one.id for one in found}:
                raise NotFound("model_not_found", f"The model '{model}' does not go with the profile '{profile}'.")
        return Facts(
            facts.name, profile, self.api.url, facts.title, facts.description, "", facts.needs_key, found, model
        )

    def _kept(self) -> OwnedKey | None:
        return self.known.key(self.api.url, self.client.name)

    def _key(self, profile: str, whats: list[str], *, dry_run: bool) -> str:
        """The client's key on this machine, made or given the access that it lacks."""
        if self.use_key:
            return self.api.key
        kept = self._kept()
        needs_models = whats != ["tools"]
        if kept is not None and (dry_run or is_good(self.api, kept.secret)):
            if not dry_run and (profile not in ("", *kept.profiles) or (needs_models and not kept.models)):
                kept = self._widened(kept, profile, needs_models)
            return kept.secret
        profiles = [*(kept.profiles if kept else ()), *([profile] if profile else [])]
        wanted = OwnedKey(self.api.url, self.client.name, "", "", tuple(dict.fromkeys(profiles)), needs_models)
        made = new_key(self.api, self.client.title, replace(wanted, models=needs_models or bool(kept and kept.models)))
        self._remember(made)
        self._renew(made.secret)
        return made.secret

    def _widened(self, kept: OwnedKey, profile: str, models: bool) -> OwnedKey:
        profiles = (*kept.profiles, profile) if profile not in ("", *kept.profiles) else kept.profiles
        new = OwnedKey(kept.hub, kept.client, kept.name, kept.secret, profiles, kept.models or models)
        grant(self.api, new)
        self._remember(new)
        return new

    def _remember(self, key: OwnedKey) -> None:
        self.known = self.known.with_key(key)
        save(self.where.state, self.known)

    def _renew(self, secret: str) -> None:
        """Put a new key where an older one of the same client stands."""
        entries = [entry for _, entry in self.known.entries()]
        for entry in entries:
            if (entry.client, entry.hub, entry.scope, entry.what) == (self.client.name, self.api.url, "user", "tools"):
                facts = Facts(entry.name, entry.profile, entry.hub, entry.profile, "", secret)
                made = plan(self.client, entry.what, entry.scope, facts, self.where, self.known)
                self.known = write(made, self.known, self.where.state)


def _keyed(facts: Facts, key: str) -> Facts:
    return Facts(
        facts.name,
        facts.profile,
        facts.hub_url,
        facts.title,
        facts.description,
        key,
        facts.needs_key,
        facts.models,
        facts.wanted,
    )


def _show_plans(plans: list[Plan], key: str) -> None:
    rows = [(str(made.path), made.entry.what, made.changes, made.diff(key)) for made in plans]
    show_json([dict(zip(("path", "what", "changed", "diff"), row, strict=True)) for row in rows])


def _told(made: Plan, key: str, *, dry_run: bool) -> str:
    if dry_run:
        return made.diff(key) if made.changes else f"{made.path} would stay as it is."
    return f"{'Written' if made.changes else 'Already there'}: {made.path}"


def _next_steps(plans: list[Plan], client: Client, model: str) -> list[str]:
    entry = plans[0].entry
    texts = [client.after_project if entry.scope == "project" else client.after] if entry.what == "tools" else []
    texts += [client.after_models] if any(made.entry.what != "tools" for made in plans) else []
    for word, value in {"<name>": entry.name, "<main_model>": model}.items():
        texts = [text.replace(word, value) for text in texts]
    return [*filter(None, texts), f"Undo: hub uninstall {client.name}"]


def uninstall(
    client: Annotated[str, Parameter(help="Which client.")],
    *,
    profile: Annotated[str | None, Parameter(help="Only this profile's tools.")] = None,
    models: Annotated[bool, Parameter(help="Only the models.", negative="")] = False,
    project: Project = None,
    connection: Connection = Connection(),
) -> None:
    """Take away what `hub install` wrote. Files that nobody changed since are as they were before, to the byte."""
    where = _where(project)
    known = load(where.state)
    chosen = client_named(client)

    def is_meant(entry: Entry) -> bool:
        if entry.client != chosen.name:
            return False
        if profile is not None or models:
            return (entry.what == "tools" and entry.profile == profile) or (models and entry.what != "tools")
        return True

    own_command.remove(chosen, known, is_meant, where)
    known, reports = undo(known, is_meant, where.state)
    if not reports:
        raise NotFound("not_found", f"Nothing of {chosen.title} was installed from this machine's account.")
    known = narrow(known, chosen.name, where, connection)
    ended = end_keys(known, chosen.name, where, connection)
    if connection.json:
        show_json({"files": [_undone_view(report) for report in reports], "keys": ended})
        return
    for report in reports:
        say(f"{report.outcome.capitalize()}: {report.path}")
        for kept in report.kept:
            warn(f"  {kept} was changed since and stays.")
    for name in ended:
        say(f"Key '{name}' is deleted.")


def _undone_view(report: Undone) -> dict[str, Any]:
    return {"path": report.path, "outcome": report.outcome, "kept": list(report.kept)}


def _status(where: Where, connection: Connection) -> int:
    """What is installed where. Exit status 1 when something is not as it was written."""
    known = load(where.state)
    rows: list[dict[str, Any]] = []
    with connection.api() as api:
        states = {key: _key_state(api, key) for key in known.keys}
    for file, entry in known.entries():
        key = known.key(entry.hub, entry.client) if entry.scope == "user" else None
        state = condition(file, entry)
        if state == "ok" and entry.hub != connection.url.rstrip("/"):
            state = "other endpoint"
        rows.append(
            {
                "client": entry.client, "what": entry.what, "profile": entry.profile or None, "scope": entry.scope,
                "hub": entry.hub, "path": file.path, "state": state,
                "key": key.name if key else None, "key_state": states[key] if key else None,
            }
        )  # fmt: skip
    if connection.json:
        show_json({"installed": rows, "clients": [_client_view(one) for one in clients().values()]})
    elif rows:
        shown = ("client", "what", "profile", "state", "key_state", "hub", "path")
        table(("client", "what", "profile", "state", "key", "hub", "file"), [[row[f] for f in shown] for row in rows])
    else:
        say("Nothing is installed. Clients: " + ", ".join(clients()))
    return 1 if any(row["state"] not in ("ok", "other endpoint") or row["key_state"] == "stale" for row in rows) else 0


def _client_view(client: Client) -> dict[str, Any]:
    return {
        "name": client.name,
        "title": client.title,
        "takes": sorted({f"{file.what} ({file.scope})" for file in client.files}),
    }


def _key_state(api: Api, key: OwnedKey) -> str:
    if api.url != key.hub:
        return "not checked"
    try:
        return "ok" if is_good(api, key.secret) else "stale"
    except Exception:  # noqa: BLE001 - whatever keeps the hub from answering, the key is only not checked
        return "not checked"
