"""The install page: every client, what is written, a key made on the spot; with and without scripts."""

import html
import re

import pytest

LINUX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"}


def test_every_client_has_a_card_with_a_way_in_and_a_way_back(world):
    with world.signed_in("dev") as browser:
        text = html.unescape(browser.get("/install/both", headers=LINUX).text)
    for name in ("claude-code", "cursor", "vscode", "codex", "gemini-cli", "zed", "goose", "jetbrains"):
        assert f'id="{name}"' in text
        assert f"hub install {name} --profile both --url {world.url}" in text
        assert f"hub uninstall {name}" in text
    assert "https://cursor.com/en/install-mcp?name=both&config=" in text
    assert "vscode:mcp/install?%7B%22name%22" in text
    assert "~/.config/Code/User/mcp.json" in text
    assert "only programs on the same machine reach it" in text
    assert "hub_token=YOUR_HUB_KEY" in text
    for link in re.findall(r'href="((?:vscode|cursor|https)[^"]+)"', text):
        assert "hub_0" not in link


def test_the_file_shown_is_the_readers_systems(world):
    with world.signed_in("dev") as browser:
        mac = browser.get("/install/both", headers={"user-agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X)"}).text
        windows = browser.get("/install/both", headers={"sec-ch-ua-platform": '"Windows"'}).text
    assert "~/Library/Application Support/Code/User/mcp.json" in mac
    assert "$APPDATA/Code/User/mcp.json" in windows


def test_a_key_is_made_for_this_profile_alone(world):
    with world.signed_in("dev") as browser:
        made = browser.post("/install/both")
        text = html.unescape(made.text)
        key = re.search(r"hub_[0-9a-z]{12}_\w{49}", text).group()
        assert text.count(key) > 10
        assert "content-encoding" not in made.headers
        assert "hubcat_" in text
        for link in re.findall(r'href="([^"]+)"', text):
            assert key not in link
        assert key not in browser.get("/install/both").text
    with world.hub.client(key) as client:
        me = client.get("/api/v1/me").json()
        assert (me["user"], me["team"]) == ("dev", "platform")
        assert client.get("/v1/models").json()["data"] == []
        assert client.get("/catalog/both.json").status_code == 200


def test_an_administrators_key_does_not_administer(world):
    with world.signed_in("olga") as browser:
        key = re.search(r"hub_[0-9a-z]{12}_\w{49}", browser.post("/install/both").text).group()
    with world.hub.client(key) as client:
        assert client.get("/api/v1/me").json()["roles"] == {}
        assert client.get("/api/v1/keys").status_code == 403


def test_who_may_not_make_keys_is_told(world):
    world.hub.put("users", "vera", {"teams": {"platform": "viewer"}})
    with world.signed_in("vera") as browser:
        assert browser.post("/install/both").status_code == 403


def test_strangers_see_what_is_open_and_sign_in_for_the_rest(world):
    world.hub.put("profiles", "open-to-all", {"title": "Open to all", "security": "none", "servers": {"hub": {}}})
    with world.hub.client(None) as nobody:
        away = nobody.get("/install/both", headers={"accept": "text/html"})
        assert (away.status_code, away.headers["location"]) == (303, "/login")
        assert nobody.get("/install/nothing").status_code == 303
        text = nobody.get("/install/open-to-all").text
        assert "no key is needed" in text
        assert "YOUR_HUB_KEY" not in text
        assert nobody.post("/install/open-to-all").status_code == 303
    with world.signed_in("bob") as browser:
        assert browser.get("/install/nothing").status_code == 404


def test_another_site_cannot_have_a_key_made(world):
    with world.signed_in("dev") as browser:
        forged = browser.post("/install/both", headers={"sec-fetch-site": "cross-site"})
    assert forged.status_code == 403


@pytest.mark.slow
def test_in_a_browser(browse):
    page = browse("dev", "/install/both")
    page.get_by_role("link", name="Cursor", exact=True).click()
    page.locator("#cursor summary").click()
    page.locator("#cursor pre").first.wait_for(state="visible")
    assert "mcpServers" in page.locator("#cursor pre").first.inner_text()
    page.get_by_role("button", name="Make a key").click()
    page.wait_for_selector("#key .secret")
    assert "hub_" in page.locator("#key code").first.inner_text()


@pytest.mark.slow
def test_in_a_browser_without_scripts(browse):
    page = browse("dev", "/install/both", java_script_enabled=False)
    page.get_by_role("button", name="Make a key").click()
    assert "hub_" in page.locator("#key code").first.inner_text()
