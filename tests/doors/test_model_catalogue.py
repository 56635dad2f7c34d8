"""The search through all models that the hub knows, over HTTP."""

PATH = "/api/v1/model-catalogue"


def ok(response):
    assert response.status_code == 200, response.text
    return response.json()


def _ids(page):
    return [item["id"] for item in page["items"]]


def test_pages_follow_each_other_in_order_and_hold_every_match_once(hub):
    with hub.client() as client:
        whole = ok(client.get(PATH, params={"search": "gpt-5", "limit": 1000}))
        assert whole["next"] is None
        seen, cursor = [], ""
        while cursor is not None:
            page = ok(client.get(PATH, params={"search": "gpt-5", "limit": 7, "cursor": cursor}))
            assert len(page["items"]) <= 7
            seen += _ids(page)
            cursor = page["next"]
    assert seen == _ids(whole) == sorted(set(seen))
    assert len(seen) > 7


def test_a_model_says_its_price_its_limits_and_by_which_names_it_may_be_called(hub):
    hub.put("providers", "elsewhere", {"kind": "anthropic", "api_key": "env:NOWHERE"})
    hub.put("models", "quick", {"targets": [{"model": "elsewhere/claude-haiku-4-5"}]})
    hub.put("teams", "searching", {"models": ["quick"]})
    secret = hub.put("keys", "searcher", {"team": "searching"})["secret"]
    with hub.client() as admin, hub.client(secret) as member:
        (found,) = [
            item
            for item in ok(admin.get(PATH, params={"search": "haiku-4-5", "limit": 1000}))["items"]
            if item["id"] == "anthropic/claude-haiku-4-5"
        ]
        theirs = ok(member.get(PATH, params={"search": "anthropic/claude-haiku-4-5"}))["items"][0]
    assert (found["price"]["input"], found["context_window"], found["kind"]) == ("1", 200_000, "chat")
    assert found["called"][0] == "quick"
    assert "elsewhere/claude-haiku-4-5" in found["called"]
    assert theirs["called"] == ["quick"]


def test_a_search_is_bounded_and_needs_a_key(hub):
    with hub.client() as client:
        assert client.get(PATH, params={"search": "x" * 201}).json()["code"] == "malformed"
        assert client.get(PATH, params={"limit": "0"}).json()["code"] == "malformed"
        assert ok(client.get(PATH, params={"search": "no such model"})) == {"items": [], "next": None}
    with hub.client(None) as nobody:
        assert nobody.get(PATH).status_code == 401
