"""The menus of both apps, as rows: what a page is called, where it is, and who sees it."""

from dataclasses import dataclass

from hub.ui.sources import Visit


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a menu.

    `permission` is what its page needs, or "" for everybody; `route` what it reads, if special; `pages` where pages
    begin that belong to it but lie elsewhere.
    """

    label: str
    path: str
    permission: str = ""
    route: str = ""
    pages: tuple[str, ...] = ()


Group = tuple[str, tuple[Item, ...]]

CONSOLE: tuple[Group, ...] = (
    ("", (Item("Home", "/console"), Item("Playground", "/console/playground"))),
    (
        "Build",
        (
            Item("Profiles", "/console/profiles", "catalogue.read"),
            Item("Models", "/console/models"),
            Item("Routing", "/console/routing", pages=("/console/routes/", "/console/new/routes")),
            Item("Keys", "/console/keys", "keys.own"),
            Item("Connections", "/console/connections"),
        ),
    ),
    (
        "Observe",
        (
            Item("Logs", "/console/logs"),
            Item("Usage", "/console/usage"),
            Item("Trace export", "/console/traces"),
        ),
    ),
)
ADMIN: tuple[Group, ...] = (
    ("", (Item("Overview", "/admin"),)),
    (
        "Models",
        (Item("Providers", "/admin/providers"), Item("Models", "/admin/models"), Item("Routes", "/admin/routes")),
    ),
    (
        "Tools",
        (
            Item("MCP servers", "/admin/servers"),
            Item("Profiles", "/admin/profiles"),
            Item("Approvals", "/admin/approvals"),
            Item("OAuth clients", "/admin/oauth-clients"),
        ),
    ),
    (
        "People",
        (
            Item("Teams", "/admin/teams"),
            Item("Users", "/admin/users"),
            Item("Keys", "/admin/keys"),
            Item("Roles", "/admin/roles"),
        ),
    ),
    (
        "Govern",
        (
            Item("Budgets", "/admin/budgets"),
            Item("Limits", "/admin/limits"),
            Item("Guardrails", "/admin/guardrails"),
            Item("Emergency stop", "/admin/stops", route="/stops"),
            Item("Data boundary", "/admin/boundary"),
            Item("Secrets", "/admin/secrets", "secrets.write"),
        ),
    ),
    (
        "Observe",
        (
            Item("Logs", "/admin/logs"),
            Item("Usage", "/admin/usage"),
            Item("Audit", "/admin/audit", "audit.read"),
            Item("Exports", "/admin/exports"),
        ),
    ),
    ("Hub", (Item("Announcements", "/admin/announcements"), Item("Instance", "/admin/instance"))),
)


def menu(visit: Visit, app: str) -> list[Group]:
    """The groups of an app's menu that this visitor sees."""
    groups = ADMIN if app == "admin" else CONSOLE
    shown = ((title, tuple(item for item in items if _leads(visit, item))) for title, items in groups)
    return [(title, items) for title, items in shown if items]


def _leads(visit: Visit, item: Item) -> bool:
    allowed = not item.permission or visit.can(item.permission)
    return allowed and (not item.route or visit.offers("GET", item.route))


def current(groups: list[Group], path: str) -> str:
    """The path of the entry that a page belongs to: the longest that begins it."""
    for _, items in groups:
        for item in items:
            if item.pages and path.startswith(item.pages):
                return item.path
    paths = [item.path for _, items in groups for item in items]
    fitting = [p for p in paths if path == p or (path.startswith(f"{p}/") and p not in ("/console", "/admin"))]
    return max(fitting, key=len, default="")
