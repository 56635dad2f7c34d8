"""Where every page of both apps is. Tests that walk all pages take them from here, and one fails for a page without a place."""

from hub.resources import KINDS
from hub.ui import Pages, Sources

# One resource of each kind that the hub of these tests has.
NAMED = {
    "providers": "demo",
    "models": "demo",
    "routes": "careful",
    "servers": "old",
    "profiles": "both",
    "teams": "platform",
    "users": "ann",
    "keys": "ci",
    "budgets": "platform-month",
    "limits": "ci",
    "guardrails": "watch",
    "announcements": "welcome",
    "exports": "collector",
}
CONSOLE = (
    "/console",
    "/console?notices=all",
    "/console/playground",
    "/console/playground?model=demo&model=demo/demo-2&profile=both",
    "/console/profiles",
    "/console/profiles/both",
    "/console/profiles/both/tools/new__echo",
    "/console/compose/both",
    "/console/compose/both?view=history",
    "/console/new/profiles",
    "/console/models",
    "/console/models?q=demo",
    "/console/routing",
    "/console/routing?model=demo",
    "/console/routes",
    "/console/routes/careful",
    "/console/new/routes",
    "/console/keys",
    "/console/keys/ci",
    "/console/new/keys",
    "/console/connections",
    "/console/traces",
    "/console/account",
    "/console/logs",
    "/console/logs?live=1",
    "/console/logs/{entry}",
    "/console/sessions",
    "/console/sessions/of-ci",
    "/console/usage",
)
ADMIN = (
    "/admin",
    *(f"/admin/start?step={step}" for step in ("team", "provider", "model", "profile", "key")),
    *(f"/admin/{kind}" for kind in KINDS),
    *(f"/admin/new/{kind}" for kind in KINDS),
    *(f"/admin/{kind}/{name}" for kind, name in NAMED.items()),
    "/admin/models/demo?view=yaml",
    "/admin/models/demo?view=history",
    "/admin/compose/both",
    "/admin/approvals",
    "/admin/approvals/both",
    "/admin/oauth-clients",
    "/admin/roles",
    "/admin/try/watch",
    "/admin/stops",
    "/admin/boundary",
    "/admin/secrets",
    "/admin/secrets?name=kept#value",
    "/admin/logs",
    "/admin/logs?outcome=refused",
    "/admin/logs/{entry}",
    "/admin/sessions",
    "/admin/sessions/of-ci",
    "/admin/usage",
    "/admin/usage?by=team&range=24h&idle=1",
    "/admin/audit",
    "/admin/audit?check=1",
    "/admin/instance",
)
OUTSIDE = ("/login", "/login?token=not-one", "/install/both")
# What answers with no page of its own: it leads to another, or is a file.
ELSEWHERE = frozenset({"/console/routes", "/static/{path:path}"})
_ROUTES = tuple(Pages(Sources(None, None, None, None, None), None).routes())


def routes(method):
    """The paths of all routes of both apps that answer to a method."""
    return {route.path for route in _ROUTES if method in route.methods}


def answering(method, addresses):
    """The paths of the routes that answer to a method at these addresses."""
    found = set()
    for address in addresses:
        path = address.partition("?")[0]
        found |= {next((r.path for r in _ROUTES if method in r.methods and r.path_regex.match(path)), path)}
    return found
