"""Web searches that providers make: in the entry, the budget, the sums, the exports and a correction of costs."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.script import json_reply, sse
from tests.support.scripted import scripted_upstream

GOLDEN = Path(__file__).parents[1] / "golden" / "usage"
ENVIRONMENT = {"UP": "sk-up", "KEY": "key-0123456789-0123456789-0123456789"}
HELLO = [{"role": "user", "content": "hello"}]


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


ANTHROPIC, RESPONSES = (
    golden("anthropic-anthropic_messages/searches"),
    golden("openai-openai_responses/searches-by-items"),
)
GEMINI = golden("gemini-gemini/grounded-each")


def answer(received):
    """What the providers of the golden files answered, whole or streamed as it is asked for."""
    path = received.path
    case = ANTHROPIC if path.endswith("/messages") else RESPONSES if path.endswith("/responses") else GEMINI
    if ":stream" not in path and not (received.json or {}).get("stream"):
        return json_reply(case["whole"])
    return sse(
        [b"event: %b\ndata: %b\n\n" % (e.get("type", "x").encode(), json.dumps(e).encode()) for e in case["stream"]]
    )


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    def provider(kind, path=""):
        url = f"{scripted.upstream.url}{path}"
        return {"kind": kind, "base_url": url, "allow_private": True, "api_key": "env:UP", "other_paths": True}

    resources = {
        "providers": {
            "anthropic": provider("anthropic"),
            "openai": provider("openai", "/v1"),
            "gemini": provider("gemini"),
        },
        "teams": {"t": {"models": ["*"]}},
        "keys": {"k": {"team": "t", "secret": "env:KEY"}},
        "budgets": {"b": {"scope": {"team": "t"}, "usd": 1000}},
    }
    with running_hub(tmp_path_factory.mktemp("searches"), resources, ENVIRONMENT) as started:
        yield started


def called(hub, path, body, name, model=None):
    """The entry of a call, once it is written."""
    with hub.client(ENVIRONMENT["KEY"]) as client:
        said = client.post(path, json={**({"model": model} if model else {}), **body}, headers={"x-request-id": name})
        assert said.status_code == 200, said.text

    def read():
        with hub.client() as client:
            return client.get("/api/v1/logs", params={"request_id": name}).json()["items"]

    return said, wait_for(read)[0]


CLAUDE, GPT, FLASH = "anthropic/claude-opus-4-8", "openai/gpt-5", "gemini/gemini-3-flash-preview"
MESSAGES = ("/v1/messages", {"messages": HELLO, "max_tokens": 9})
CHAT, GENERATE = ("/v1/chat/completions", {"messages": HELLO}), {"contents": [{"parts": [{"text": "hello"}]}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("call", "model", "case", "lane"),
    [
        (MESSAGES, CLAUDE, ANTHROPIC, "passthrough"),
        (CHAT, CLAUDE, ANTHROPIC, "translate"),
        (("/v1/responses", {"input": "hello"}), GPT, RESPONSES, "passthrough"),
        (CHAT, FLASH, GEMINI, "translate"),
    ],
)
def test_a_search_is_charged_in_every_lane(hub, call, model, case, lane, stream):
    path, body = call
    name = f"{lane}-{model}-{stream}".replace("/", "-") + path.replace("/", "-")
    said, entry = called(hub, path, {**body, "stream": stream}, name, model)
    assert (entry["lane"], entry["cost_micro_usd"]) == (lane, case["cost_micro_usd"])
    assert entry["usage"]["searches"] == case["usage"]["searches"]
    if not stream:
        assert said.headers["x-hub-cost-usd"] == f"{case['cost_micro_usd'] / 1e6:.6f}"


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
def test_a_search_of_gemini_is_charged_as_it_passes(hub, verb):
    _, entry = called(hub, f"/v1beta/models/{FLASH}:{verb}", GENERATE, f"gemini-{verb[:6]}")
    assert (entry["lane"], entry["cost_micro_usd"]) == ("passthrough", GEMINI["cost_micro_usd"])


def test_an_unknown_price_of_a_search_leaves_the_cost_unknown_until_it_is_known(hub):
    price = {"input": "1", "output": "1", "cache_read": "1"}
    hub.put("models", "own", {"targets": [{"model": CLAUDE}], "price": price})
    path, body = MESSAGES
    said, entry = called(hub, path, body, "unknown", "own")
    assert "x-hub-cost-usd" not in said.headers
    assert (entry["cost_micro_usd"], entry["usage"]["searches"]) == (None, 2)
    with hub.client() as client:
        (before,) = client.get("/api/v1/usage", params={"group_by": "model", "model": "own"}).json()["items"]
        assert (before["unpriced"], before["searches"], before["cost_micro_usd"]) == (1, 2, 0)
    hub.put("models", "own", {"targets": [{"model": CLAUDE}], "price": {**price, "searches": "500"}})
    hub.cli("usage", "recompute", "--model", "own")
    with hub.client() as client:
        (after,) = client.get("/api/v1/usage", params={"group_by": "model", "model": "own"}).json()["items"]
        assert (after["unpriced"], after["cost_micro_usd"]) == (0, 1_000_000 + 6039 + 7123 + 931)
        shown = client.get("/v1/models/own").json()
    assert shown["price"]["searches"] == "500"


def test_budgets_sums_metrics_and_exports_tell_of_searches(hub):
    def spent(client):
        return float(client.get("/api/v1/budgets/b").json()["status"]["spent_usd"])

    with hub.client() as client:
        before = spent(client)
        called(hub, *MESSAGES, "counted", CLAUDE)
        assert wait_for(lambda: round((spent(client) - before) * 1e6)) == ANTHROPIC["cost_micro_usd"]
        (total,) = client.get("/api/v1/usage", params={"request_id": "counted"}).json()["items"]
        assert (total["searches"], total["cost_micro_usd"]) == (2, ANTHROPIC["cost_micro_usd"])
        rows = client.get("/api/v1/logs/export", params={"format": "csv", "request_id": "counted"})
        (row,) = csv.DictReader(io.StringIO(rows.text))
        assert (row["searches"], row["image_in"]) == ("2", "0")
        metrics = client.get("/metrics").text
    assert 'hub_searches_total{provider="anthropic"}' in metrics
    assert 'bucket="searches"' not in metrics


def test_on_other_paths_a_search_is_charged_where_it_is_counted_and_unknown_where_it_is_not(hub):
    for name, path, body, cost in (
        ("raw-counted", "/v1/providers/anthropic/v1/messages", {**MESSAGES[1], "model": "claude-opus-4-8"}, ANTHROPIC["cost_micro_usd"]),
        ("raw-hidden", "/v1/providers/openai/responses", {"input": "hello", "model": "gpt-5"}, None),
    ):  # fmt: skip
        _, entry = called(hub, path, body, name)
        assert (entry["lane"], entry["cost_micro_usd"]) == ("raw", cost)
