"""Programs that a user signs in through the browser: the code grant, the device grant, refresh, and what tokens can do."""

import base64
import hashlib
import json
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.support.hubs import RESOURCES, running_hub, servers_ready, wait_for

PASSWORD = "a long enough password"
REDIRECT = "http://127.0.0.1:43210/callback"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    resources = {
        **RESOURCES,
        "teams": {
            "dev": {
                "models": ["demo"],
                "profiles": ["both"],
                "tools": ["*"],
                "clients": {
                    "profile": "both",
                    "settings": {"env": {"EXTRA": "1"}, "permissions": {"deny": ["WebFetch"]}},
                },
            },
            "bare": {"models": ["demo"]},
        },
        "users": {"ann": {"teams": {"dev": "developer"}, "email": "ann@example.com"}},
        "budgets": {"dev": {"scope": {"team": "dev"}, "usd": 10, "period": "month", "mode": "block"}},
    }
    with running_hub(tmp_path_factory.mktemp("programs"), resources) as started:
        servers_ready(started, "old")
        started.put("users", "bob", {"teams": {"bare": "developer"}})
        with started.client() as http:
            for user in ("ann", "bob"):
                assert http.put(f"/api/v1/users/{user}/password", json={"password": PASSWORD}).is_success
        yield started


@pytest.fixture
def browser(hub):
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as client:
        signed = client.post("/login", data={"user": "ann", "password": PASSWORD})
        assert signed.status_code == 303
        yield client


@pytest.fixture
def program(hub):
    """What a program has: no cookie, no key."""
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as client:
        yield client


def pkce():
    verifier = secrets.token_urlsafe(40)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def registered(program, **more):
    said = {"client_name": "Testing", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", **more}
    answer = program.post("/oauth/register", json=said)
    assert answer.status_code == 201, answer.text
    return answer.json()["client_id"]


def asking(client, challenge, **more):
    given = {"response_type": "code", "client_id": client, "redirect_uri": REDIRECT, "code_challenge": challenge}
    return "/oauth/authorize?" + urlencode({**given, "code_challenge_method": "S256", "state": "s1", **more})


def allowed(browser, page, do="allow"):
    """Press the button on the consent page; where the browser is sent."""
    shown = browser.get(page)
    assert shown.status_code == 200, shown.text
    sealed = re.search(r'name="request" value="([^"]+)"', shown.text)[1]
    sent = browser.post("/oauth/authorize", data={"request": sealed, "do": do})
    assert sent.status_code == 302
    return sent.headers["location"]


def signed_in(browser, program, **more):
    """The tokens of a program that ann has signed in."""
    client = registered(program)
    verifier, challenge = pkce()
    back = parse_qs(urlsplit(allowed(browser, asking(client, challenge, **more))).query)
    form = {"grant_type": "authorization_code", "code": back["code"][0], "client_id": client, "code_verifier": verifier}
    answer = program.post("/oauth/token", data={**form, "redirect_uri": REDIRECT})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(tokens):
    return {"authorization": f"Bearer {tokens['access_token']}"}


def chat(program, tokens):
    body = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}
    return program.post("/v1/chat/completions", json=body, headers=bearer(tokens))


def listed(program, headers, profile="both"):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    return program.post(
        f"/mcp/{profile}", json=body, headers={"accept": "application/json, text/event-stream", **headers}
    )


def test_a_program_without_a_credential_is_told_where_to_sign_in(hub, program):
    refused = listed(program, {})
    assert refused.status_code == 401
    metadata = re.search(r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"])[1]
    assert metadata == f"{hub.url}/.well-known/oauth-protected-resource/mcp/both"
    resource = program.get(metadata).json()
    assert (resource["resource"], resource["authorization_servers"]) == (f"{hub.url}/mcp/both", [hub.url])
    server = program.get("/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == hub.url
    assert server["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization", "token", "device_authorization", "registration", "revocation"):
        assert server[f"{name}_endpoint"].startswith(f"{hub.url}/oauth/")
    for nowhere in ("/.well-known/openid-configuration", "/.well-known/oauth-protected-resource"):
        assert program.get(nowhere).status_code == 404
        assert program.get(nowhere).headers["content-type"] == "application/json"
    wrong = listed(program, {"authorization": "Bearer hub_wrong"})
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]


def test_a_program_is_signed_in_and_may_do_what_its_user_may(hub, browser, program):
    tokens = signed_in(browser, program)
    assert (tokens["token_type"], tokens["expires_in"], tokens["email"]) == ("Bearer", 3600, "ann@example.com")
    assert chat(program, tokens).status_code == 200
    assert listed(program, bearer(tokens)).status_code == 200
    assert [one["id"] for one in program.get("/v1/models", headers=bearer(tokens)).json()["data"]] == ["demo"]
    # The management of the hub is not part of it.
    assert program.get("/api/v1/me", headers=bearer(tokens)).status_code == 403
    with hub.client() as http:
        entries = wait_for(lambda: http.get("/api/v1/logs?user=ann&call=model").json()["items"])
        assert entries[0]["principal"] == "user:ann"
        assert http.get("/api/v1/audit?action=program-sign-in").json()["items"]


def test_a_token_for_one_profile_is_good_there_only(hub, browser, program):
    tokens = signed_in(browser, program, resource=f"{hub.url}/mcp/both")
    assert listed(program, bearer(tokens)).status_code == 200
    assert chat(program, tokens).status_code == 403
    verifier, challenge = pkce()
    elsewhere = browser.get(asking(registered(program), challenge, resource="https://other.example/mcp/both"))
    assert parse_qs(urlsplit(elsewhere.headers["location"]).query)["error"] == ["invalid_target"]
    assert verifier


def test_who_says_no_gives_nothing(hub, browser, program):
    _, challenge = pkce()
    back = parse_qs(urlsplit(allowed(browser, asking(registered(program), challenge), do="deny")).query)
    assert (back["error"], back["state"], back["iss"]) == (["access_denied"], ["s1"], [hub.url])


def test_a_code_is_good_once_for_its_program_and_with_its_verifier(browser, program):
    client, (verifier, challenge) = registered(program), pkce()
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "code_verifier": verifier,
        "redirect_uri": REDIRECT,
    }

    def fresh():
        return parse_qs(urlsplit(allowed(browser, asking(client, challenge))).query)["code"][0]

    for wrong in ({"code_verifier": pkce()[0]}, {"client_id": "codex"}, {"redirect_uri": "http://127.0.0.1:1/other"}):
        answer = program.post("/oauth/token", data={**form, "code": fresh(), **wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), wrong
    code = fresh()
    first, again = (program.post("/oauth/token", data={**form, "code": code}) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 400)
    assert first.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"client_id": "hubc_made-up"}, 400),
        ({"redirect_uri": "https://evil.example/callback"}, 400),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, 400),
        ({"code_challenge_method": "plain"}, 302),
        ({"response_type": "token"}, 302),
    ],
)
def test_a_wrong_request_is_not_sent_on(browser, program, wrong, status):
    _, challenge = pkce()
    answer = browser.get(asking(registered(program), challenge, **wrong))
    assert answer.status_code == status
    if status == 302:
        assert "error=" in answer.headers["location"]


def test_the_port_on_ones_own_machine_is_free(browser, program):
    _, challenge = pkce()
    page = asking(registered(program), challenge, redirect_uri="http://127.0.0.1:5999/callback")
    assert allowed(browser, page).startswith("http://127.0.0.1:5999/callback?code=")


@pytest.mark.parametrize(
    "redirect",
    [
        "javascript:alert(1)",
        "http://example.com/cb",
        "data:text/html,x",
        "https://a.example/cb#f",
        "file:///etc",
        "",
        "x" * 600,
    ],
)
def test_an_address_that_must_never_get_a_code_is_not_registered(program, redirect):
    answer = program.post("/oauth/register", json={"redirect_uris": [redirect]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")


def test_programs_of_editors_can_register(program):
    registered(program, redirect_uris=["cursor://anysphere.cursor-mcp/oauth/callback", "https://vscode.dev/redirect"])


def test_the_page_asks_who_is_there_first_and_leads_on(hub, program):
    client, (_, challenge) = registered(program), pkce()
    page = asking(client, challenge)
    to_login = program.get(page)
    assert to_login.status_code == 303
    assert to_login.headers["location"].startswith("/login?next=")
    shown = program.get(to_login.headers["location"])
    onwards = re.search(r'name="next" value="([^"]+)"', shown.text)[1].replace("&amp;", "&")
    signed = program.post("/login", data={"user": "ann", "password": PASSWORD, "next": onwards})
    assert signed.headers["location"] == page
    for foreign in ("//evil.example/", "https://evil.example/", "/logout", "/oauth/../admin"):
        again = program.post("/login", data={"user": "ann", "password": PASSWORD, "next": foreign})
        assert again.headers["location"] == "/console"


def test_the_consent_page_cannot_be_used_from_elsewhere(browser, program):
    _, challenge = pkce()
    shown = browser.get(asking(registered(program), challenge))
    policy = shown.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:43210" in policy
    sealed = re.search(r'name="request" value="([^"]+)"', shown.text)[1]
    forged = browser.post(
        "/oauth/authorize", data={"request": sealed, "do": "allow"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert forged.status_code == 403
    changed = browser.post("/oauth/authorize", data={"request": sealed[:-2] + "xx", "do": "allow"})
    assert changed.status_code == 400


def test_a_refresh_token_is_good_once_and_its_theft_ends_all(browser, program):
    tokens = signed_in(browser, program)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    second = program.post("/oauth/token", data=form)
    assert second.status_code == 200
    assert chat(program, second.json()).status_code == 200
    stolen = program.post("/oauth/token", data=form)
    assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_grant")
    assert chat(program, second.json()).status_code == 401
    later = program.post("/oauth/token", data={**form, "refresh_token": second.json()["refresh_token"]})
    assert later.status_code == 401


def test_a_program_signs_itself_out(browser, program):
    tokens = signed_in(browser, program)
    assert program.post("/oauth/revoke", data={"token": tokens["refresh_token"]}).status_code == 200
    assert chat(program, tokens).status_code == 401
    assert program.post("/oauth/revoke", data={"token": "unknown"}).status_code == 200


def test_a_user_signs_a_program_out(browser, program):
    tokens = signed_in(browser, program)
    mine = browser.get("/api/v1/me/programs").json()["items"]
    assert mine[0]["title"] == "Testing"
    assert "Testing" in browser.get("/console/account").text
    done = browser.post("/console/account", data={"do": "end-program", "id": mine[0]["id"]})
    assert done.status_code == 303
    assert chat(program, tokens).status_code == 401


def test_a_user_who_is_switched_off_takes_their_programs_along(hub, program):
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as bob:
        assert bob.post("/login", data={"user": "bob", "password": PASSWORD}).status_code == 303
        tokens = signed_in(bob, program)
    assert chat(program, tokens).status_code == 200
    assert program.get("/managed/settings", headers=bearer(tokens)).status_code == 404
    hub.put("users", "bob", {"teams": {"bare": "developer"}, "enabled": False})
    assert chat(program, tokens).status_code == 401
    refreshed = program.post(
        "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    )
    assert refreshed.status_code == 401


def test_a_device_is_signed_in_as_claude_code_does_it(hub, browser, program):
    assert program.head("/api/hello").status_code == 200
    asked = program.post("/oauth/device", data={"surface": "claude_code"}).json()
    assert asked["verification_uri"] == f"{hub.url}/oauth/verify"
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    waiting, hasty = (program.post("/oauth/token", data=form) for _ in range(2))
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    assert hasty.json()["error"] == "slow_down"
    shown = browser.get(asked["verification_uri_complete"])
    assert "Claude Code" in shown.text
    assert asked["user_code"] in shown.text
    done = browser.post("/oauth/verify", data={"user_code": asked["user_code"].lower(), "do": "allow"})
    assert "Signed in" in done.text
    tokens = program.post("/oauth/token", data=form).json()
    assert chat(program, tokens).status_code == 200
    again = program.post("/oauth/token", data=form)
    assert again.json()["error"] == "expired_token"


def test_a_device_hears_a_no(browser, program):
    asked = program.post("/oauth/device", data={"client_id": "codex"}).json()
    browser.post("/oauth/verify", data={"user_code": asked["user_code"], "do": "deny"})
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    assert program.post("/oauth/token", data=form).json()["error"] == "access_denied"
    assert "unknown or too old" in browser.get("/oauth/verify?user_code=BCDF-GHJK").text


def test_a_team_pushes_settings_to_the_clients_of_its_people(hub, browser, program):
    tokens = signed_in(browser, program)
    answer = program.get("/managed/settings", headers=bearer(tokens))
    told = answer.json()
    settings = told["settings"]
    standing = settings["env"].pop("HUB_MCP_TOKEN")
    models = ("MODEL", "DEFAULT_OPUS_MODEL", "DEFAULT_SONNET_MODEL", "DEFAULT_HAIKU_MODEL", "CUSTOM_MODEL_OPTION")
    assert settings["env"] == {
        "ANTHROPIC_BASE_URL": hub.url, "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1", "EXTRA": "1",
        "ENABLE_TOOL_SEARCH": "false", **{f"ANTHROPIC_{name}": "demo" for name in models},
    }  # fmt: skip
    settings["env"]["HUB_MCP_TOKEN"] = standing
    as_pushed = {"access_token": standing}
    assert listed(program, bearer(as_pushed)).status_code == 200
    assert chat(program, as_pushed).status_code == 403
    assert settings["permissions"] == {"deny": ["WebFetch"]}
    assert settings["enabledPlugins"] == {"both@hub": True}
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert told["checksum"] == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    unchanged = program.get("/managed/settings", headers={**bearer(tokens), "if-none-match": answer.headers["etag"]})
    assert unchanged.status_code == 304
    assert program.get("/managed/settings").status_code == 401
    # The marketplace that is pushed can be read with what stands in its address, and nothing else can.
    place = urlsplit(settings["extraKnownMarketplaces"]["hub"]["source"]["url"])
    auth = (place.username, place.password)
    refs = program.get(
        f"{place.path}/info/refs?service=git-upload-pack", auth=auth, headers={"git-protocol": "version=2"}
    )
    assert refs.status_code == 200
    assert program.get("/v1/models", headers={"authorization": f"Bearer {place.password}"}).status_code == 401
    assert place.path == "/marketplace/claude-gateway.git"
    # What was pushed ends with the sign-in.
    program.post("/oauth/revoke", data={"token": tokens["refresh_token"]})
    assert listed(program, bearer(as_pushed)).status_code == 401


def test_a_teams_own_choice_of_model_is_not_overruled_by_what_the_hub_pushes(hub, program):
    hub.put("models", "other", {"targets": [{"model": "demo/demo-1"}]})
    hub.put("teams", "choosy", {"models": ["demo", "other"], "clients": {"settings": {"model": "other"}}})
    hub.put("users", "cora", {"teams": {"choosy": "developer"}})
    with hub.client() as http, httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as browser:
        assert http.put("/api/v1/users/cora/password", json={"password": PASSWORD}).is_success
        assert browser.post("/login", data={"user": "cora", "password": PASSWORD}).status_code == 303
        tokens = signed_in(browser, program)
    settings = program.get("/managed/settings", headers=bearer(tokens)).json()["settings"]
    assert (settings["model"], settings["env"]["ANTHROPIC_DEFAULT_OPUS_MODEL"]) == ("other", "other")
    assert "ANTHROPIC_MODEL" not in settings["env"]


def test_what_is_spent_is_told_as_the_client_shows_it(browser, program):
    tokens = signed_in(browser, program)
    told = program.get("/api/oauth/usage", headers=bearer(tokens)).json()
    assert (told["extra_usage"]["is_enabled"], told["extra_usage"]["monthly_limit"]) == (True, 1000)
    assert told["limits"][0]["kind"] == "spend"


def test_a_budget_that_is_used_up_stops_claude_code_in_its_own_words(hub, browser, program):
    tokens = signed_in(browser, program)
    hub.put("budgets", "ann", {"scope": {"user": "ann"}, "usd": 0.000001, "period": "day", "mode": "block"})
    body = {"model": "demo", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    try:
        refused = program.post("/v1/messages", json=body, headers=bearer(tokens))
    finally:
        with hub.client() as http:
            assert http.delete("/api/v1/budgets/ann").is_success
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "billing_error")
    told = {name.removeprefix("anthropic-ratelimit-unified-"): value for name, value in refused.headers.items()}
    assert (told["status"], told["overage-period"], told["overage-utilization"]) == ("rejected", "daily", "1")
    assert told["overage-disabled-reason"] == "org_spend_cap_reached"
    assert int(told["reset"]) > 0
    assert "representative-claim" not in told
    assert (refused.headers["x-should-retry"], refused.headers["x-hub-budget-action"]) == ("false", "block")


def test_what_a_client_measures_is_taken_and_not_kept(browser, program):
    tokens = signed_in(browser, program)
    for kind in ("metrics", "logs", "traces"):
        assert program.post(f"/v1/{kind}", json={}, headers=bearer(tokens)).status_code == 200
        assert program.post(f"/v1/{kind}", json={}).status_code == 401
