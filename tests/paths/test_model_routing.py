"""Routing from the outside: a running hub, scripted upstreams, and what callers, explain, status and the ledger say."""

import json

import httpx2
import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.sending import running_upstream

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def upstream():
    with running_upstream() as url:
        yield url


@pytest.fixture(scope="module")
def routed(tmp_path_factory, upstream):
    def provider(script="", **more):
        path = f"/@{script}" if script else ""
        return {"kind": "openai-compatible", "base_url": f"{upstream}{path}/v1", "allow_private": True, **more}

    resources = {
        "providers": {
            "good": provider(region="eu-west-1"),
            "busy": provider("status:429:30"),
            "broken": provider("status:503"),
            "openai": {"kind": "openai", "base_url": f"{upstream}/v1", "allow_private": True, "api_key": "env:ONE"},
            "keyed": provider(api_key="env:ONE", credentials=["env:TWO"]),
            "anthropic": {"kind": "anthropic", "base_url": upstream, "allow_private": True, "api_key": "env:ONE"},
            "east": {"kind": "azure-openai", "base_url": f"{upstream}/openai/v1", "allow_private": True, "api_key": "env:ONE"},
            "west": {"kind": "azure-openai", "base_url": f"{upstream}/openai/v1", "allow_private": True, "api_key": "env:TWO"},
            "mine": {"kind": "openai-compatible", "instead_of": "keyed", "owner": {"team": "core"}, "api_key": "env:CORE"},
        },
        "models": {
            "steady": {"targets": [{"model": "broken/m"}, {"model": "good/m", "priority": 1}]},
            "split": {"targets": [{"model": "good/a", "weight": 70}, {"model": "good/b", "weight": 30}]},
            "ruled": {"route": "main", "aliases": ["old-name"]},
            "claude-house": {"targets": [{"model": "anthropic/claude-x"}], "price": {"input": "3", "output": "15"}},
            "keyed": {"targets": [{"model": "keyed/m"}]},
            "stored": {"targets": [{"model": "east/gpt"}, {"model": "west/gpt"}]},
            "compared": {"route": "ab", "price": {"input": "1", "output": "2"}},
            "throttled": {"targets": [{"model": "busy/m"}]},
            "backed": {"targets": [{"model": "openai/gpt-5-nano"}, {"model": "openai/gpt-5", "priority": 1}]},
            "grand": {"targets": [{"model": "openai/gpt-5"}, {"model": "openai/gpt-5-nano", "priority": 1}]},
            "fallen": {"targets": [{"model": "good/a"}, {"model": "good/b", "priority": 1}], "price": {"input": "1", "output": "2"}},
            "hedged": {"route": "hedged", "price": {"input": "1", "output": "2"}},
            "thrifty": {"route": "thrift", "price": {"input": "1", "output": "50000"}},
        },
        "budgets": {
            "thrifty": {"scope": {"model": "thrifty"}, "usd": 0.5, "mode": "warn"},
            "backed": {"scope": {"model": "backed"}, "usd": 0.005},
            "grand": {"scope": {"model": "grand"}, "usd": 0.005, "mode": "downgrade", "downgrade_to": "steady"},
        },
        "routes": {
            "main": {
                "targets": [{"model": "good/plain"}],
                "rules": [{"name": "gold", "when": {"headers": {"x-tier": "gold"}}, "targets": [{"model": "good/gold"}]}],
            },
            "eu": {"residency": ["eu-*"]},
            "hedged": {"targets": [{"model": "good/a"}, {"model": "good/b", "priority": 1}], "retries": {"hedge_after": 30}},
            "thrift": {
                "targets": [{"model": "good/dear"}],
                "rules": [{"name": "near", "when": {"budget_used_over": 50}, "targets": [{"model": "good/cheap"}]}],
            },
            "ab": {"targets": [{"model": "broken/x"}, {"model": "good/a", "priority": 1}, {"model": "good/b", "priority": 2, "weight": 2}]},
        },
        "teams": {"core": {"models": ["*"]}, "eu": {"models": ["*"], "route": "eu"}},
        "keys": {
            "core": {"team": "core", "secret": "env:CORE_KEY"},
            "eu": {"team": "eu", "secret": "env:EU_KEY", "routes": ["main"]},
        },
    }  # fmt: skip
    environment = {
        "ONE": "sk-one", "TWO": "sk-two", "CORE": "sk-core",
        "CORE_KEY": "core-key-0123456789-0123456789-0123", "EU_KEY": "eu-key-0123456789-0123456789-012345",
    }  # fmt: skip
    with running_hub(tmp_path_factory.mktemp("routed"), resources, environment) as started:
        started.keys = {"core": environment["CORE_KEY"], "eu": environment["EU_KEY"]}
        yield started


def ask(hub, model, key=None, path="/v1/chat/completions", headers=None, **body):
    with hub.client(key or hub.admin_key) as client:
        return client.post(path, json={"model": model, **HELLO, **body}, headers=headers or {})


def entry(hub, response):
    """The ledger's entry of a call, as soon as it is written."""

    def read():
        with hub.client() as client:
            items = client.get("/api/v1/logs", params={"request_id": response.headers["x-request-id"]}).json()["items"]
        return items[0] if items else None

    return wait_for(read)


def test_nobody_notices_a_broken_target(routed):
    answer = ask(routed, "steady")
    assert answer.status_code == 200
    assert answer.headers["x-hub-model"] == "good/m"
    tried = [(a["target"], a["outcome"]) for a in entry(routed, answer)["attempts"]]
    assert tried[-1] == ("good/m", "ok")
    assert tried[0] == ("broken/m", "overloaded")
    for _ in range(6):
        assert ask(routed, "steady").status_code == 200
    answer = ask(routed, "steady")  # by now its circuit is open
    assert answer.headers["x-hub-attempts"] == "1"
    told = explained(routed, "steady")
    assert [a["target"] for a in told["attempts"]] == ["good/m"]
    assert "circuit is open" in told["dropped"][0]["reason"]


def explained(hub, model, key=None, **query):
    with hub.client(key or hub.admin_key) as client:
        answer = client.get("/api/v1/explain", params={"model": model, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_status_tells_of_providers_without_the_database(routed):
    ask(routed, "steady")
    with routed.client(routed.keys["core"]) as client:
        told = {p["name"]: p for p in client.get("/v1/status").json()["providers"]}
    assert told["good"]["reachable"] is True
    assert told["good"]["observed_requests"] > 0
    assert told["broken"]["failures"] > 0
    assert told["broken"]["last_failure_code"] == "503"
    assert told["broken"]["last_failure_at"]
    assert "mine" not in told
    with routed.client(None) as client:
        assert client.get("/v1/status").status_code == 401


def test_a_rule_decides_and_explain_says_the_same(routed):
    for headers, target in (({"x-tier": "gold"}, "good/gold"), ({}, "good/plain")):
        answer = ask(routed, "ruled", headers=headers)
        assert answer.headers["x-hub-model"] == target
        told = explained(routed, "ruled", header=[f"{name}={value}" for name, value in headers.items()])
        assert [a["target"] for a in told["attempts"]] == [target]
        assert told["rules"] == [
            {"rule": "main/gold", "holds": bool(headers), "because": None if headers else "headers.x-tier"}
        ]
    with routed.client() as client:
        status = client.get("/api/v1/routes/main").json()["status"]
    assert status["rules"]["gold"]["held"] >= 1
    shown = routed.cli("explain", "ruled", "--header", "x-tier=gold").stdout
    assert "rule main/gold: holds" in shown
    assert "good/gold" in shown


def test_calls_go_to_a_cheaper_model_when_their_budget_is_nearly_used(routed):
    for target, because in (("good/dear", "budget_used_over"), ("good/cheap", None)):
        told = explained(routed, "thrifty")
        assert told["rules"] == [{"rule": "thrift/near", "holds": because is None, "because": because}]
        answer = ask(routed, "thrifty", max_tokens=7)
        assert answer.headers["x-hub-model"] == target
        entry(routed, answer)


@pytest.mark.parametrize("model", ["backed", "grand"])
def test_a_target_that_a_budget_cannot_pay_is_left_out_while_others_can_be_paid(routed, model):
    answer = ask(routed, model, max_completion_tokens=1000)
    assert (answer.status_code, answer.headers["x-hub-model"]) == (200, "openai/gpt-5-nano")
    assert "x-hub-budget-action" not in answer.headers
    plan = entry(routed, answer)["plan"]
    assert (plan["attempts"], plan["dropped"]) == (
        ["openai/gpt-5-nano"],
        [{"target": "openai/gpt-5", "reason": "a budget has less left than it may cost"}],
    )
    assert 0 < plan["may_cost_micro_usd"] < 5000
    told = explained(routed, model, max_output=1000)
    assert ([a["target"] for a in told["attempts"]], told["dropped"]) == (plan["attempts"], plan["dropped"])
    assert (told["model"], told["instead"], told["refused"]) == (model, None, None)


def test_what_no_target_of_a_model_can_be_paid_for_is_refused_by_the_dearest(routed):
    refused = ask(routed, "backed", max_completion_tokens=100_000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exhausted")
    assert "may cost 1.0" in refused.json()["error"]["message"]
    answer = ask(routed, "grand", max_completion_tokens=100_000)
    assert (answer.headers["x-hub-budget-action"], answer.headers["x-hub-model"]) == ("downgrade", "good/m")
    told = explained(routed, "backed", max_output=100_000)
    assert (told["refused"]["code"], told["refused"]["status"]) == ("budget_exhausted", 429)
    assert "may cost 1.0" in told["refused"]["message"]
    assert "refused (budget_exhausted)" in routed.cli("explain", "backed", "--max-output", "100000").stdout
    told = explained(routed, "grand", max_output=100_000)
    assert (told["model"], told["instead"]["code"], told["refused"]) == ("steady", "budget_exhausted", None)
    assert [a["target"] for a in told["attempts"]][-1:] == ["good/m"]


def test_for_two_targets_that_may_be_asked_at_once_both_are_reserved(routed):
    one, both = (entry(routed, ask(routed, model, max_tokens=100)) for model in ("fallen", "hedged"))
    prompt = both["plan"]["tokens"]
    assert abs(one["plan"]["may_cost_micro_usd"] - (prompt + 200)) < 5
    assert abs(both["plan"]["may_cost_micro_usd"] - 2 * (prompt + 200)) < 5
    assert [attempt["target"] for attempt in both["attempts"]] == ["good/a"]


def test_explain_takes_a_real_body_and_another_key(routed):
    with routed.client() as client:
        given = {
            "body": {"model": "ruled", **HELLO},
            "headers": {"x-tier": "gold"},
            "dialect": "openai_chat",
            "key": "eu",
        }
        told = client.post("/api/v1/explain", json=given).json()
        assert [a["target"] for a in told["attempts"]] == ["good/gold"]
        assert client.post("/api/v1/explain", json={"body": "x"}).status_code == 400
        assert client.get("/api/v1/explain", params={"model": "ruled", "key": "none"}).status_code == 404
    with routed.client(routed.keys["core"]) as client:
        assert client.get("/api/v1/explain", params={"model": "ruled", "key": "eu"}).status_code == 403


def test_regions_hold_whatever_the_caller_names(routed):
    answer = ask(routed, "keyed", routed.keys["eu"])
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_routed"
    assert ask(routed, "steady", routed.keys["eu"]).headers["x-hub-model"] == "good/m"
    answer = ask(routed, "keyed", routed.keys["eu"], headers={"x-hub-route": "main"})
    assert answer.headers["x-hub-model"] == "good/plain"


def test_a_split_is_near_its_weights(routed):
    went = [ask(routed, "split").headers["x-hub-model"] for _ in range(60)]
    assert 25 <= went.count("good/a") <= 57
    sticky = {ask(routed, "split", headers={"x-hub-session": "one"}).headers["x-hub-model"] for _ in range(6)}
    assert len(sticky) == 1


def upstream_requests(upstream):
    return httpx2.get(f"{upstream}/_requests", trust_env=False).json()["requests"]


def test_a_teams_own_credential_goes_out_for_its_calls(routed, upstream):
    ask(routed, "keyed", routed.keys["core"])
    assert upstream_requests(upstream)[-1]["headers"]["authorization"] == "Bearer sk-core"
    for _ in range(4):
        ask(routed, "keyed")
    used = {r["headers"].get("authorization") for r in upstream_requests(upstream)[-4:]}
    assert used == {"Bearer sk-one", "Bearer sk-two"}
    assert explained(routed, "keyed", routed.keys["core"])["attempts"][0]["credential"] == "team"


def test_the_callers_own_anthropic_credential_goes_upstream_and_costs_the_hub_nothing(routed, upstream):
    body = {"model": "claude-house", "max_tokens": 9, **HELLO}
    headers = {
        "x-hub-key": routed.admin_key,
        "authorization": "Bearer sk-ant-oat-own",
        "anthropic-version": "2023-06-01",
    }
    answer = httpx2.post(f"{routed.url}/v1/messages", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    got = upstream_requests(upstream)[-1]["headers"]
    assert got["authorization"] == "Bearer sk-ant-oat-own"
    assert "x-api-key" not in got
    assert "x-hub-key" not in got
    own = entry(routed, answer)
    assert own["price_version"] == "caller's own"
    # What it costs their account is shown by the hub's prices, and counts for nobody.
    assert own.get("cost_micro_usd") is None
    assert own["own_micro_usd"] > 0
    with routed.client() as client:
        (row,) = client.get("/api/v1/usage", params={"group_by": "model", "model": "claude-house"}).json()["items"]
    assert row["own_micro_usd"] >= own["own_micro_usd"]
    assert (row["cost_micro_usd"], row["unpriced"]) == (0, 0)
    # At any other kind of provider it is no way around the hub's own credential, nor around its price.
    answer = ask(
        routed, "keyed", headers={"x-hub-key": routed.admin_key, "authorization": "Bearer sk-junk"}, key="sk-junk"
    )
    assert answer.status_code == 200
    assert upstream_requests(upstream)[-1]["headers"]["authorization"] in ("Bearer sk-one", "Bearer sk-two")
    assert entry(routed, answer).get("price_version") != "caller's own"


def test_claude_code_finds_every_model_and_may_call_it_so(routed):
    agent = {"user-agent": "claude-code/2.1.330", "anthropic-version": "2023-06-01"}
    with routed.client() as client:
        ids = [m["id"] for m in client.get("/v1/models?limit=1000", headers=agent).json()["data"]]
        assert "claude-via-hub/ruled" in ids
        assert "claude-house" in ids
        assert all("claude" in name or "anthropic" in name for name in ids)
        plain = [m["id"] for m in client.get("/v1/models").json()["data"]]
        assert "ruled" in plain
        one = client.get("/v1/models/claude-via-hub/ruled")
        assert one.status_code == 200
    for name in ("claude-via-hub/ruled", "old-name"):
        answer = ask(routed, name)
        assert answer.status_code == 200, answer.text
        assert json.loads(answer.content)["model"] == "plain"
        assert entry(routed, answer)["model"] == "ruled"


@pytest.mark.parametrize("stream", [False, True])
def test_what_goes_on_with_a_stored_response_goes_where_it_is_kept(routed, stream):
    body = {"input": "hello", "stream": stream, "path": "/v1/responses"}
    home = ask(routed, "stored", **body).headers["x-hub-model"]
    answers = [ask(routed, "stored", **body, previous_response_id="resp_scripted") for _ in range(10)]
    assert {answer.headers["x-hub-model"] for answer in answers} == {home}
    (dropped,) = entry(routed, answers[-1])["plan"]["dropped"]
    assert dropped["reason"] == f"{home} keeps the response that it goes on with"
    # What nobody has heard of goes anywhere: it may be kept since before the hub was started.
    assert ask(routed, "stored", **body, previous_response_id="resp_unknown").status_code == 200


def test_the_targets_of_a_split_are_compared(routed):
    for _ in range(4):
        assert ask(routed, "compared").status_code == 200
    asked = ask(routed, "compared", key=routed.keys["core"])
    entry(routed, asked)

    def told(key=None, **query):
        with routed.client(key or routed.admin_key) as client:
            return client.get("/api/v1/usage/targets", params=query).json()["items"]

    items = {one["target"]: one for one in told(model="compared")}
    assert set(items) == {"broken/x", "good/a", "good/b"}
    broken, first, idle = (items[name] for name in ("broken/x", "good/a", "good/b"))
    # What the broken one failed was answered by the other: the answers are the other's, the failures its own.
    assert (first["calls"], first["failed"], broken["calls"]) == (5, 0, 0)
    assert broken["failed"] == broken["tries"] > 0
    assert broken["failures"].keys() == {"overloaded"}
    assert broken["failed_between"][0] > first["failed_between"][0]
    assert first["began"] + broken["began"] == 5
    assert (first["weight"], broken["weight"], idle["weight"]) == (1, 1, 2)
    assert first["took_p95_ms"] > 0
    assert first["cost_per_call_usd"] == f"{first['cost_micro_usd'] / 5e6:.6f}"
    assert (idle["priority"], idle["tries"], idle["failed_share"]) == (2, 0, None)
    # By the route the same; each sees of it what they may see.
    assert {one["target"]: one["tries"] for one in told(route="ab")} == {n: one["tries"] for n, one in items.items()}
    assert sum(one["calls"] for one in told(routed.keys["core"], model="compared")) == 1
    assert [one["target"] for one in told(routed.keys["eu"], route="ab")] == []
    with routed.client() as client:
        assert client.get("/api/v1/usage/targets").status_code == 400
        (row,) = client.get("/api/v1/usage", params={"group_by": "route", "route": "ab"}).json()["items"]
    assert row["calls"] == 5
    printed = routed.cli("usage", "targets", "--model", "compared").stdout
    assert "broken/x" in printed
    assert "100.0%" in printed


def test_a_throttled_provider_says_when(routed):
    answer = ask(routed, "throttled")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "30"


def test_an_unfinished_model_says_what_it_is(routed):
    assert ask(routed, "nowhere").json()["error"]["code"] == "model_not_found"
    routed.put("routes", "off", {"targets": [{"model": "good/m"}], "enabled": False})
    routed.put("models", "resting", {"route": "off"})
    answer = ask(routed, "resting")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "model_not_ready"
    assert int(answer.headers["retry-after"]) > 0
