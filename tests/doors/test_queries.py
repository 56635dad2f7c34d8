"""What the management API takes in its queries: what it names, nothing else, and pages of every list."""

import re

import pytest

from hub.cli.calls import Calls
from hub.core.entry import LANES
from hub.dialect.lanes import Estimate, Passthrough, Translate
from hub.edge.manage_api import route_rows
from hub.edge.records import FILTERS
from hub.provider_path import LANE as RAW
from hub.ui.ledger import FILTERS as SHOWN

LISTS = sorted(row.path for row in route_rows() if row.method == "GET" and row.reply in ("Page", "CallPage", "History"))
NAMES = {"models": "demo", "servers": "new", "profiles": "both", "providers": "demo", "users": "admin", "keys": "admin"}


def asked(path):
    """The path of a list about something that exists, with the query that it needs."""
    kind = path.removeprefix("/api/v1/").removeprefix("me/").partition("/")[0]
    url = re.sub(r"\{name(:path)?\}", NAMES.get(kind, "some"), path)
    return url, {"/explain": {"tool": "new__echo"}, "/targets": {"model": "demo"}}.get(url[url.rindex("/") :], {})


@pytest.fixture(scope="module")
def filled(hub):
    """Something of every kind that has to exist to be listed."""
    for kind, spec in {
        "teams": {}, "routes": {"targets": [{"model": "demo/demo-1"}]}, "exports": {"format": "jsonl", "enabled": False},
        "announcements": {"title": "Hello", "archived": True},
        "budgets": {"scope": {"team": "some"}, "usd": 5}, "limits": {"scope": {"team": "some"}, "rpm": 5},
        "guardrails": {"scope": {"team": "some"}, "on": ["input"], "words": ["never"]},
    }.items():  # fmt: skip
        hub.put(kind, "some", spec)
    return hub


def test_a_parameter_that_a_route_does_not_know_is_refused_by_name(hub):
    with hub.client() as client:
        for path in (
            *LISTS,
            "/api/v1/logs/export",
            "/api/v1/logs/tail",
            "/api/v1/usage/idle",
            "/api/v1/me",
            "/api/v1/export",
        ):
            url, query = asked(path)
            answer = client.get(url, params={**query, "outcme": "ok"})
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), (path, answer.text)
            assert "'outcme'" in answer.json()["detail"], path
        told = client.get("/api/v1/audit", params={"since": "2026-01-01", "resource": "keys"}).json()["detail"]
        assert told == (
            "GET /api/v1/audit has no parameter 'resource'. Known: since, until, kind, name, actor, action, limit, cursor."
        )
        assert client.post("/api/v1/keys/some/revoke", params={"dry_run": "1"}).status_code == 400
        assert client.get("/api/openapi.json", params={"v": "3"}).status_code == 200


def test_who_may_not_ask_at_all_is_not_told_what_may_be_asked(hub):
    with hub.client(None) as client:
        assert client.get("/api/v1/audit", params={"resource": "keys"}).status_code == 401


@pytest.mark.parametrize("path", LISTS)
def test_every_list_comes_in_pages(filled, path):
    url, query = asked(path)
    with filled.client() as client:

        def page(**more):
            answer = client.get(url, params={**query, **more})
            assert answer.status_code == 200, answer.text
            return answer.json()

        if page()["items"] == []:
            return
        first = page(limit=1)
        assert len(first["items"]) == 1
        if first["next"] is not None:
            second = page(limit=1, cursor=first["next"])
            assert second["items"] != first["items"]
        assert client.get(url, params={**query, "limit": 0}).json()["code"] == "malformed"


def test_a_value_that_a_filter_cannot_have_is_refused_with_those_that_it_can(hub):
    cases = {
        ("logs", "outcome"): "ok, refused, error, cancelled, interrupted",
        ("logs/export", "outcome"): "ok, refused, error, cancelled, interrupted",
        ("logs", "call"): "model, tool",
        ("usage", "lane"): "passthrough, translate, estimate, raw",
        ("usage", "format"): "json, csv",
        ("logs/export", "format"): "csv, jsonl, parquet",
        ("logs", "order_by"): "at, duration_ms, input, output",
        ("logs", "order"): "desc, asc",
        ("keys", "view"): "names, specs",
        ("usage", "times"): "1, 0",
        ("profiles/both/tools", "mode"): "full, search, code",
        ("me/announcements", "dismissed"): "0, 1",
    }
    with hub.client() as client:
        for (path, name), choices in cases.items():
            answer = client.get(f"/api/v1/{path}", params={name: "sucess"})
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), (path, name, answer.text)
            assert answer.json()["detail"] == f"{name} is one of: {choices}."
            for value in ("", choices.partition(",")[0]):
                assert client.get(f"/api/v1/{path}", params={name: value}).status_code == 200, (path, name, value)
        assert "denied" in client.get("/api/v1/audit", params={"action": "deny"}).json()["detail"]
        assert client.get("/api/v1/audit", params={"action": "denied", "kind": "keys"}).status_code == 200
        document = client.get("/api/openapi.json").json()
    told = document["paths"]["/api/v1/logs"]["get"]["parameters"]
    assert {"type": "string", "enum": ["model", "tool"]} in [one["schema"] for one in told if one["name"] == "call"]


def test_what_takes_long_can_be_left_out_of_lists(filled):
    with filled.client() as client:
        for kind in ("keys", "limits"):
            whole = client.get(f"/api/v1/{kind}").json()["items"]
            assert whole[0]["status"]
            alone = client.get(f"/api/v1/{kind}/{whole[0]['name']}").json()
            assert {**alone, "status": None} == {**whole[0], "status": None}
            assert set(alone["status"]) == set(whole[0]["status"])
            plain = client.get(f"/api/v1/{kind}", params={"view": "specs"}).json()["items"]
            assert plain == [{name: value for name, value in one.items() if name != "status"} for one in whole]
        timed, plain = (client.get("/api/v1/usage", params={"times": times}).json()["items"] for times in ("1", "0"))
        assert [one["calls"] for one in timed] == [one["calls"] for one in plain]
        assert all(one["duration_p50_ms"] is None for one in plain)


def test_every_filter_of_calls_is_an_option_of_the_command_line_and_pages_have_no_other():
    known = {one.name for one in FILTERS}
    assert set(Calls().query) == known
    assert {name for name, _, _ in SHOWN} <= known


def test_every_way_to_carry_a_call_can_be_asked_for():
    assert set(LANES) == {lane.name for lane in (Passthrough, Translate, Estimate)} | {RAW}
