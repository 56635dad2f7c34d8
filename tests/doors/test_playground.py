"""The Playground's calls: as the person who is signed in, through the same stages, with entries of their own."""

import json

from tests.support.hubs import wait_for

HELLO = [{"role": "user", "content": "Hello"}]


def entry_of(hub, request_id):
    with hub.client() as admin:

        def found():
            items = admin.get("/api/v1/logs", params={"request_id": request_id}).json()["items"]
            return items[0] if items else None

        return wait_for(found)


def sign_in(hub, client, user):
    with hub.client() as admin:
        link = admin.post(f"/api/v1/users/{user}/sign-in-link", json={}).json()["url"]
    assert client.post("/login", data={"token": link.partition("token=")[2]}).status_code == 303


def test_a_person_calls_a_model_as_themselves(hub):
    hub.put("teams", "play", {"models": ["demo"], "profiles": ["both"]})
    hub.put("users", "player", {"teams": {"play": "developer"}})
    with hub.client(None) as browser:
        assert browser.post("/api/v1/playground/chat", json={"model": "demo", "messages": HELLO}).status_code == 401
        sign_in(hub, browser, "player")
        body = {"model": "demo", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
        answer = browser.post(
            "/api/v1/playground/chat", json=body, headers={"x-hub-session": "play-1", "x-request-id": "play-a"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-hub-model"] == "demo/demo-1"
        events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert events[-1] == "[DONE]"
        assert json.loads(events[-2])["usage"]["completion_tokens"] > 0
        assert ": hub-receipt " in answer.text
        refused = browser.post(
            "/api/v1/playground/chat",
            json={"model": "demo/demo-2", "messages": HELLO},
            headers={"x-request-id": "play-b"},
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "model_not_allowed")
        forged = browser.post("/api/v1/playground/chat", json=body, headers={"sec-fetch-site": "cross-site"})
        assert forged.status_code == 403
    entry = entry_of(hub, "play-a")
    assert (entry["principal"], entry["team"], entry["session"], entry["door"]) == (
        "user:player",
        "play",
        "play-1",
        "playground",
    )
    assert entry["outcome"] == "ok"
    assert entry["cost_micro_usd"] > 0
    assert entry_of(hub, "play-b")["outcome"] == "refused"


def test_a_person_calls_a_tool_as_themselves(hub):
    hub.put("teams", "play", {"models": ["demo"], "profiles": ["both"], "tools": ["new/*"]})
    hub.put("users", "player", {"teams": {"play": "developer"}})
    with hub.client(None) as browser:
        sign_in(hub, browser, "player")
        mine = browser.get("/api/v1/me/profiles").json()["items"]
        tools = {tool["name"]: tool for profile in mine for tool in profile["tools"]}
        assert tools["new__echo"]["input_schema"]["type"] == "object"
        assert not any(name.startswith("old__") for name in tools)
        said = browser.post(
            "/api/v1/playground/tools/both",
            json={"tool": "new__echo", "arguments": {"text": "hi"}},
            headers={"x-request-id": "play-c"},
        )
        assert said.status_code == 200, said.text
        assert "hi" in json.dumps(said.json()["result"])
        for body, status in (
            ({"tool": "old__echo"}, 403),
            ({"tool": "no_such"}, 404),
            ({"arguments": {}}, 400),
            ({"tool": "new__echo", "arguments": []}, 400),
        ):
            assert browser.post("/api/v1/playground/tools/both", json=body).status_code == status
        assert browser.post("/api/v1/playground/tools/nope", json={"tool": "x"}).status_code == 404
    entry = entry_of(hub, "play-c")
    assert (entry["call"], entry["principal"], entry["door"], entry["tool"]) == (
        "tool",
        "user:player",
        "playground",
        "echo",
    )


def test_a_key_may_use_it_too_and_has_no_more_than_it_has(hub):
    with hub.client() as admin:
        answer = admin.post("/api/v1/playground/chat", json={"model": "demo", "messages": HELLO})
        assert answer.status_code == 200
        assert answer.json()["choices"]
        assert answer.headers["x-hub-cost-usd"]


def test_everybody_sees_what_they_may_use(hub):
    hub.put("teams", "play", {"models": ["demo"], "profiles": []})
    hub.put("budgets", "play", {"scope": {"team": "play"}, "usd": 3})
    made = hub.put("keys", "playing", {"team": "play"})
    with hub.client(made.get("secret")) as client:
        assert [model["id"] for model in client.get("/api/v1/me/models").json()["items"]] == ["demo"]
        assert client.get("/api/v1/me/profiles").json()["items"] == []
        budgets = client.get("/api/v1/me/budgets").json()["items"]
        assert [(one["name"], one["usd"]) for one in budgets] == [("play", 3)]
        assert float(budgets[0]["status"]["remaining_usd"]) <= 3


def test_a_list_of_names_says_names_and_no_more(hub):
    with hub.client() as admin:
        items = admin.get("/api/v1/servers", params={"view": "names", "limit": 1000}).json()["items"]
        assert {"kind": "servers", "name": "old"} in items
        assert all(set(item) == {"kind", "name"} for item in items)
