"""Connecting an account at a server that wants a sign-in, in a real browser: the far server is another hub."""

import pytest

from tests.support.hubs import RESOURCES, running_hub, servers_ready, wait_for
from tests.ui.conftest import axe

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    resources = {
        "servers": {"old": RESOURCES["servers"]["old"]},
        "profiles": {"tools": {"title": "Tools", "security": "oauth", "servers": {"old": {}}}},
        "teams": {"dev": {"profiles": ["*"], "tools": ["*"]}},
        "users": {"eve": {"teams": {"dev": "developer"}}},
    }
    with running_hub(tmp_path_factory.mktemp("far"), resources) as hub:
        servers_ready(hub, "old")
        with hub.client() as http:
            assert http.put("/api/v1/users/eve/password", json={"password": PASSWORD}).is_success
        yield hub


def place(hub):
    """Its address by another name: cookies do not tell the ports of one host apart."""
    return hub.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def server(world, far):
    """A server of the platform team's that wants a sign-in."""
    spec = {"url": f"{place(far)}/mcp/tools", "title": "Far away", "allow_private": True, "auth": {"type": "oauth"}}
    with world.hub.client() as operator:
        team = operator.get("/api/v1/teams/platform").json()["spec"]
        assert operator.put("/api/v1/servers/far", json={"spec": spec}).is_success
        assert operator.put("/api/v1/profiles/far", json={"spec": {"title": "Far", "servers": {"far": {}}}}).is_success
        operator.put("/api/v1/teams/platform", json={"spec": {**team, "profiles": [*team["profiles"], "far"]}})
        yield "far"
        operator.put("/api/v1/teams/platform", json={"spec": team})
        operator.delete("/api/v1/profiles/far")
        assert operator.delete("/api/v1/servers/far").status_code == 200


def test_an_account_is_connected_and_forgotten(world, far, server, browse):
    page = browse("ann", "/console/profiles/far")
    page.get_by_text("Far away wants your own account").wait_for()
    page.get_by_role("link", name="Connect it").click()
    card = page.locator("[data-server='far']")
    card.get_by_text("Not connected").wait_for()
    axe(page)
    card.get_by_role("button", name="Connect").click()
    host = place(far).removeprefix("http://")
    page.get_by_text(f"Go on only if you know {host}").wait_for()
    axe(page)
    page.get_by_role("link", name=f"Go on to {host}").click()
    page.get_by_label("Name").fill("eve")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").last.click()
    page.get_by_role("button", name="Sign it in").click()
    page.wait_for_url(f"{world.url}/console/connections?server=far*")
    card.get_by_text("Connected", exact=True).wait_for()
    page.get_by_text("The account is connected").wait_for()
    axe(page)
    with world.signed_in("ann") as client:
        wait_for(lambda: "old__echo" in client.get("/console/profiles/far").text)
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Forget it").click()
    card.get_by_text("Not connected").wait_for()


def test_an_operator_is_led_to_it(world, server, browse):
    page = browse("olga", "/admin/servers/far")
    page.get_by_role("link", name="Connect yours").click()
    page.locator(".card.wanted[data-server='far']").wait_for()
