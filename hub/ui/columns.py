"""The lists of resources, as rows: what each kind is called, what its list shows, and what its absence teaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.ui.shapes import shapes_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `source` is a dotted path into the resource.

    `how` says how the value is shown: as text, code, list, roles, count, usd, when, date, state, server, scope, targets, used,
    rates, fills, forecast or secrets. A field of the spec that is left out shows what holds then.
    """

    label: str
    source: str
    how: str = "text"


@dataclass(frozen=True, slots=True)
class Page:
    """One kind's list."""

    title: str
    one: str
    lead: str
    columns: tuple[Column, ...]
    empty: str


PAGES: Mapping[str, Page] = {
    "providers": Page(
        "Providers",
        "provider",
        "Companies and endpoints that serve models, each with one credential.",
        (
            Column("Kind", "spec.kind"),
            Column("Address", "spec.base_url"),
            Column("Credential", "status.credential", "state"),
        ),
        "Add one to reach its models: choose its kind and say where its key is, for example env:OPENAI_API_KEY.",
    ),
    "models": Page(
        "Models",
        "model",
        "Public names that callers use, over one or more targets.",
        (Column("Targets", "spec.targets", "targets"), Column("Route", "spec.route", "code")),
        "A model is a name of your own over targets like openai/gpt-5-mini, with fallback by priority and splits by weight.",
    ),
    "routes": Page(
        "Routes",
        "route",
        "Reusable lists of targets with rules, attached to models, teams and keys.",
        (Column("Targets", "spec.targets", "targets"),),
        "A route holds targets and rules once, so that several models or keys share them.",
    ),
    "servers": Page(
        "MCP servers",
        "server",
        "What serves tools. Nothing reaches developers unless it stands here and in a profile.",
        (
            Column("State", "status.state", "server"),
            Column("Transport", "status.transport"),
            Column("Protocol", "status.protocol_version", "date"),
            Column("Tools", "status.tools", "count"),
        ),
        "Add a command (stdio) or the URL of an MCP server; its tools can then be chosen in profiles.",
    ),
    "profiles": Page(
        "Profiles",
        "profile",
        "Named sets of tools at one URL each.",
        (
            Column("Security", "spec.security"),
            Column("Servers", "spec.servers", "list"),
            Column("Tools", "status.tools", "count"),
            Column("Tokens", "status.tokens", "count"),
        ),
        "A profile joins servers and chooses their tools; clients add its one URL.",
    ),
    "teams": Page(
        "Teams",
        "team",
        "Groups of people and keys that share access and money.",
        (Column("Models", "spec.models", "list"), Column("Profiles", "spec.profiles", "list")),
        "A team grants models and profiles to its people and keys.",
    ),
    "users": Page(
        "Users",
        "user",
        "People, their role for the whole hub and in each team.",
        (
            Column("E-mail", "spec.email"),
            Column("Role", "spec.role"),
            Column("Teams", "spec.teams", "roles"),
        ),
        "Add people here, and make each a one-time sign-in link.",
    ),
    "keys": Page(
        "Keys",
        "key",
        "Every key of this hub. One key per purpose keeps budgets and usage precise.",
        (
            Column("Team", "spec.team"),
            Column("Acts as", "spec.user"),
            Column("Secret", "status.secrets", "secrets"),
            Column("Last used", "status.last_used", "when"),
            Column("Expires", "spec.expires_at", "when"),
        ),
        "A key lets a program call models and profiles. Its secret is shown once.",
    ),
    "budgets": Page(
        "Budgets",
        "budget",
        "Money per period, held before each call.",
        (
            Column("Scope", "spec.scope", "scope"),
            Column("Used", "status", "used"),
            Column("Amount", "spec.usd", "usd"),
            Column("At this rate", "status", "forecast"),
            Column("Period", "spec.period"),
            Column("Mode", "spec.mode"),
            Column("Resets", "status.resets_at", "when"),
        ),
        "A budget caps what a team, user, key or model may spend; block refuses before the provider is called.",
    ),
    "limits": Page(
        "Limits",
        "limit",
        "Requests, tokens and tool calls per minute, and calls at the same time. The tightest wins.",
        (
            Column("Scope", "spec.scope", "scope"),
            Column("Used in the last minute", "status", "rates"),
            Column("At this rate", "status", "fills"),
        ),
        "A limit keeps one caller from crowding out the others.",
    ),
    "guardrails": Page(
        "Guardrails",
        "guardrail",
        "What to look for in prompts, answers and tool calls, and what then.",
        (
            Column("Scope", "spec.scope", "scope"),
            Column("Looks at", "spec.on", "list"),
            Column("Action", "spec.action"),
        ),
        "Start with action flag: it records what would match without stopping anybody.",
    ),
    "announcements": Page(
        "Announcements",
        "announcement",
        "Notices shown to everyone in the Console while they are current.",
        (
            Column("Severity", "spec.severity"),
            Column("From", "spec.starts_at", "when"),
            Column("Until", "spec.ends_at", "when"),
        ),
        "Tell developers about changes and maintenance; a notice can be scheduled.",
    ),
    "exports": Page(
        "Exports",
        "export",
        "Where a copy of each ledger entry goes.",
        (
            Column("Format", "spec.format"),
            Column("Of", "spec.owner", "scope"),
            Column("Goes to", "spec.endpoint"),
            Column("State", "status.status", "state"),
        ),
        "An export sends what the ledger knows to a file or a collector of yours.",
    ),
}


def value_of(kind: str, item: Mapping[str, Any], source: str) -> Any:
    """What a column shows of a resource: what it says, else the text that holds by default."""
    found = pick(item, source)
    name = source.removeprefix("spec.")
    if found is None and name != source:
        default = next((shape.default for shape in shapes_of(kind) if shape.name == name), None)
        return default if isinstance(default, str) else None
    return found


def pick(resource: Mapping[str, Any], source: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = resource
    for part in source.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
