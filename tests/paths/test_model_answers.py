"""Answers given again, shadow copies, service tiers and the plan in the ledger, from the outside of a running hub."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.sending import running_upstream

HELLO = {"messages": [{"role": "user", "content": "hello"}]}
ENVIRONMENT = {
    "ONE": "sk-one", "A_KEY": "a-key-0123456789-0123456789-0123456", "B_KEY": "b-key-0123456789-0123456789-0123456",
    "C_KEY": "c-key-0123456789-0123456789-0123456",
}  # fmt: skip


@pytest.fixture(scope="module")
def upstream():
    with running_upstream() as url:
        yield url


@pytest.fixture(scope="module")
def kept(tmp_path_factory, upstream):
    resources = {
        "providers": {
            "good": {"kind": "openai-compatible", "base_url": f"{upstream}/v1", "allow_private": True},
            "openai": {"kind": "openai", "base_url": f"{upstream}/v1", "allow_private": True, "api_key": "env:ONE"},
        },
        "models": {
            "m": {"targets": [{"model": "good/m"}], "price": {"input": "1000", "output": "1000"}},
            "compared": {"route": "compared"},
            "tried": {"route": "tried"},
            "house": {"targets": [{"model": "good/house"}], "price": {"input": "1000", "output": "1000"}},
        },
        "routes": {
            "compared": {
                "targets": [{"model": "good/m"}],
                "shadow": {"target": "openai/gpt-5-mini", "usd_per_day": 100},
            },
            # a copy of 13 tokens and a cap of 10 on the answer costs 2.3 cents at most: two are within the day's money
            "tried": {"targets": [{"model": "good/m"}], "shadow": {"target": "good/house", "usd_per_day": 0.06}},
        },
        "teams": {
            "a": {"models": ["*"], "cache": {"seconds": 600, "models": ["m"]}},
            "b": {"models": ["*"], "cache": {"seconds": 600}},
            "c": {"models": ["*"]},
        },
        "keys": {name: {"team": name, "secret": f"env:{name.upper()}_KEY"} for name in "abc"},
        "budgets": {"a": {"scope": {"team": "a"}, "usd": 1000}},
    }
    with running_hub(tmp_path_factory.mktemp("kept"), resources, ENVIRONMENT) as started:
        yield started


def ask(hub, team="c", model="m", headers=None, **body):
    with hub.client(ENVIRONMENT[f"{team.upper()}_KEY"]) as client:
        return client.post("/v1/chat/completions", json={"model": model, **HELLO, **body}, headers=headers or {})


def entries(hub, request_id, count=1):
    def read():
        with hub.client() as client:
            items = client.get("/api/v1/logs", params={"request_id": request_id}).json()["items"]
        return items if len(items) >= count else None

    return wait_for(read)


def sent(upstream):
    return len(httpx2.get(f"{upstream}/_requests", trust_env=False).json()["requests"])


def test_one_idempotency_key_is_one_call_upstream_with_an_entry_for_each(kept, upstream):
    before = sent(upstream)
    headers = {"idempotency-key": "once", "x-request-id": "idem-1"}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(kept, headers=headers), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sent(upstream) == before + 1
    found = entries(kept, "idem-1", 12)
    assert len(found) == 12
    assert sorted(e["cost_micro_usd"] > 0 for e in found) == [False] * 11 + [True]
    refused = ask(kept, headers=headers, temperature=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_conflict")
    assert ask(kept, "b", headers=headers, temperature=1).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_teams_cache_is_its_own_and_its_savings_are_counted(kept, upstream, stream):
    body = {"stream": stream, "seed": 1}
    first = ask(kept, "a", **body)
    before = sent(upstream)
    hit = ask(kept, "a", headers={"x-request-id": f"hit-{stream}"}, **body)
    assert (first.headers["x-hub-cache"], hit.headers["x-hub-cache"]) == ("miss", "hit")
    assert hit.content == first.content
    assert sent(upstream) == before
    (entry,) = entries(kept, f"hit-{stream}")
    assert (entry["cost_micro_usd"], entry["cache"], entry["target"]) == (0, "hit", "good/m")
    assert entry["saved_micro_usd"] > 0
    assert ask(kept, "b", **body).headers["x-hub-cache"] == "miss"
    assert "x-hub-cache" not in ask(kept, "c", **body).headers
    assert "x-hub-cache" not in ask(kept, "a", headers={"cache-control": "no-cache"}, **body).headers
    assert "x-hub-cache" not in ask(kept, "a", "good/other", **body).headers


def test_the_ledger_keeps_the_plan(kept):
    ask(kept, headers={"x-request-id": "planned"})
    (entry,) = entries(kept, "planned")
    plan = entry["plan"] if isinstance(entry["plan"], dict) else json.loads(entry["plan"])
    assert plan["attempts"] == ["good/m"]
    assert plan["may_cost_micro_usd"] > 0


def test_a_shadow_gets_a_copy_that_nobody_pays_for(kept, upstream):
    answer = ask(kept, "a", "compared", headers={"x-request-id": "shadowed"})
    assert answer.headers["x-hub-model"] == "good/m"
    found = {e["door"]: e for e in entries(kept, "shadowed", 2)}
    assert found["shadow"]["target"] == "openai/gpt-5-mini"
    assert found["shadow"]["principal"] == "route:compared"
    assert found["shadow"]["cost_micro_usd"] >= 0
    assert found["shadow"].get("team", "") == ""
    assert found["api"]["team"] == "a"


def test_copies_for_a_target_that_a_model_of_the_house_prices_stay_within_the_days_money(kept):
    for number in range(6):
        assert ask(kept, model="tried", headers={"x-request-id": f"tried-{number}"}, max_tokens=10).status_code == 200
    with kept.client() as client:

        def copies():
            items = client.get("/api/v1/logs", params={"target": "good/house"}).json()["items"]
            return [entry for entry in items if entry["door"] == "shadow"]

        found = wait_for(lambda: len(told := copies()) >= 2 and told)
        assert sum(entry["cost_micro_usd"] for entry in found) <= 60_000
        assert len(found) < 6


def test_a_shadow_whose_price_nobody_knows_is_told_when_it_is_saved(kept):
    spec = {"targets": [{"model": "good/m"}], "shadow": {"target": "good/unknown", "usd_per_day": 1}}
    (warning,) = kept.put("routes", "blind", spec)["status"]["warnings"]
    assert "good/unknown" in warning
    assert (
        "warnings"
        not in kept.put("routes", "blind", {**spec, "shadow": {"target": "good/house", "usd_per_day": 1}})["status"]
    )


def test_a_service_tier_has_its_own_price(kept):
    costs = {}
    for tier in ("default", "flex", "priority"):
        ask(kept, "c", "openai/gpt-5-mini", headers={"x-request-id": f"tier-{tier}"}, service_tier=tier)
        costs[tier] = entries(kept, f"tier-{tier}")[0]["cost_micro_usd"]
    assert costs["flex"] < costs["default"] < costs["priority"]


def test_new_prices_are_taken_as_a_diff_that_is_read(tmp_path, kept):
    from hub.resources.model_catalog import DATA

    catalogue = json.loads(DATA.read_text())
    changed = next(m for m in catalogue["models"] if m["id"] == "openai/gpt-5-mini")
    changed["prices"]["input"] = "0.3"
    catalogue["models"] = [m for m in catalogue["models"] if m["id"] != "openai/gpt-4.1"]
    file = tmp_path / "new.json"
    file.write_text(json.dumps(catalogue))
    shown = kept.cli("models", "refresh", str(file), "--data", str(tmp_path / "d"), check=False)
    assert shown.returncode == 1
    assert "~ openai/gpt-5-mini price.input: 0.25 -> 0.3" in shown.stdout
    assert "- openai/gpt-4.1" in shown.stdout
    assert not (tmp_path / "d" / "catalog.json").exists()
    kept.cli("models", "refresh", str(file), "--data", str(tmp_path / "d"), "--yes")
    assert (tmp_path / "d" / "catalog.json").stat().st_mode & 0o777 == 0o600
    again = kept.cli("models", "refresh", str(file), "--data", str(tmp_path / "d"))
    assert "no difference" in again.stdout
    file.write_text('{"models": [{"id": 3}]}')
    assert kept.cli("models", "refresh", str(file), check=False).returncode == 1
    assert "gpt-5-mini" in kept.cli("models", "gpt-5-mini").stdout
