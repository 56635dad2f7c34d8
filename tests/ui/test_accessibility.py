"""The main pages as axe-core judges them (WCAG 2.2 A and AA); in the dark, contrast again."""

import pytest

from tests.ui.conftest import AXE, TAGS

RULES = {
    "light": TAGS,
    "dark": {"type": "rule", "values": ["color-contrast"]},
}
PAGES = [
    "/console", "/console/playground?profile=both", "/console/models", "/console/profiles/both", "/console/profiles/both/tools/new__echo",
    "/console/routing?model=demo", "/console/new/routes", "/console/keys", "/console/new/keys", "/console/logs", "/console/usage", "/admin", "/admin/start",
    "/admin/servers", "/admin/servers/old", "/admin/new/servers", "/admin/models/demo", "/admin/models/demo?view=history",
    "/admin/compose/both", "/admin/budgets", "/admin/new/guardrails", "/admin/users/ann", "/admin/audit", "/admin/roles", "/admin/secrets",
    "/admin/stops", "/admin/try/watch", "/console/account", "/admin/boundary", "/console/sessions", "/console/connections", "/console/compose/both", "/console/new/profiles", "/admin/approvals", "/admin/approvals/both",
    "/admin/providers/demo",
]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.clients]


@pytest.mark.parametrize("scheme", RULES)
def test_axe_finds_nothing(world, browse, scheme):
    source = AXE.read_text()
    found = []
    page = browse("admin", "/console", color_scheme=scheme)
    page.set_viewport_size({"width": 1280, "height": 3000})  # what stays at the window's edge covers nothing
    for path in PAGES if scheme == "light" else PAGES[::3]:
        page.goto(world.url + path)
        if "playground" in path:
            page.get_by_label("Your message").fill("Use the echo tool")
            page.keyboard.press("Control+Enter")
            page.get_by_role("button", name="Run it").wait_for()
        page.evaluate(source)
        result = page.evaluate("only => axe.run(document, {runOnly: only})", RULES[scheme])
        for fault in result["violations"]:
            found += [
                f"{path}: {fault['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
                for node in fault["nodes"][:3]
            ]
    assert found == []
