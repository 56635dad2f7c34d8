"""Governance through every door of a running hub: stops, revocation, passwords, guardrails, budgets, alerts."""

import asyncio
import hashlib
import hmac
import json
import time

import httpx2
import pytest

from tests.support.hubs import running_hub
from tests.support.upstream import Upstream, chat, json_reply, until

pytestmark = pytest.mark.anyio
HELLO = [{"role": "user", "content": "Hello"}]
PRICE = {"input": "1", "output": "1000"}
PROMPT = 5.0  # seconds; one is promised, also for streams, and a busy machine is given more
LISTENER = {"protocolVersion": "2026-07-28", "clientCapabilities": {}}
HOOK_SECRET = "a-secret-that-both-sides-have"


@pytest.fixture(scope="module")
async def world(tmp_path_factory):
    """A hub, its model upstream, and a receiver of webhooks."""
    async with Upstream() as upstream, Upstream() as hooks:
        local = {"kind": "openai-compatible", "base_url": f"{upstream.url}/v1", "allow_private": True}
        resources = {
            "providers": {"up": local},
            "models": {
                "fast": {"targets": [{"model": "up/fast"}], "price": PRICE, "max_output_tokens": 100},
                "cheap": {"targets": [{"model": "up/cheap"}], "price": PRICE, "max_output_tokens": 100},
                "judge": {"targets": [{"model": "up/judge"}]},
            },
            "servers": {"hub": {"builtin": "hub", "price": {"call": "0.25"}}},
            "profiles": {"tools": {"servers": {"hub": {}}}},
            "teams": {"crew": {"models": ["*"], "profiles": ["*"]}},
            "users": {"ann": {"teams": {"crew": "owner"}}},
        }
        environment = {"HOOK_SECRET": HOOK_SECRET}
        starting = running_hub(tmp_path_factory.mktemp("governance"), resources, environment)
        hub = await asyncio.to_thread(starting.__enter__)
        try:
            yield World(hub, upstream, hooks)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


class World:
    def __init__(self, hub, upstream, hooks):
        self.hub, self.upstream, self.hooks = hub, upstream, hooks
        self._keys = 0

    def client(self, key=None):
        headers = {"authorization": f"Bearer {key or self.hub.admin_key}"}
        return httpx2.AsyncClient(base_url=self.hub.url, headers=headers, timeout=30, trust_env=False)

    async def put(self, kind, name, spec):
        async with self.client() as admin:
            answer = await admin.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
            assert answer.status_code in (200, 201), answer.text
            return answer.json()

    async def key(self, **spec):
        self._keys += 1
        name = f"k{self._keys}"
        return name, (await self.put("keys", name, {"team": "crew", **spec}))["secret"]

    async def call(self, key, text="Hello", **more):
        async with self.client(key) as client:
            body = {"model": "fast", "messages": [{"role": "user", "content": text}], "max_tokens": 10, **more}
            return await client.post("/v1/chat/completions", json=body)

    async def admin(self, method, path, body=None):
        async with self.client() as admin:
            answer = await admin.request(method, path, json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

    async def entry(self, **query):
        async def find():
            async with self.client() as admin:
                answer = await admin.get("/api/v1/logs", params={"limit": 1, **query})
                return answer.json()["items"]

        ends = time.monotonic() + 10
        while not (found := await find()):
            assert time.monotonic() < ends
        return found[0]


async def ends_early(world, key, stop, *, body=None):
    """A stream that would never end: what stopped it, how long that took, and the caller's last event."""
    world.upstream.enqueue(chat("one two three four five six").paced(600, after=3))
    async with world.client(key) as client:
        request = body or {"model": "fast", "messages": HELLO, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=request) as answer:
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            await _first(lines)
            began = time.monotonic()
            await stop()
            rest = [line async for line in lines if line]
            return time.monotonic() - began, rest


async def _first(lines):
    async for line in lines:
        if line.startswith("data:"):
            return line
    raise AssertionError("nothing came")


@pytest.mark.parametrize("scope", [{"profile": "tools"}, {"org": True}], ids=["profile", "everything"])
async def test_a_stop_ends_open_streams_of_changes_and_refuses_lists(world, scope):
    _, key = await world.key()
    meta = {
        f"io.modelcontextprotocol/{name}": value
        for name, value in (("protocolVersion", "2026-07-28"), ("clientCapabilities", {}), ("clientInfo", {"name": "t", "version": "1"}))
    }  # fmt: skip

    def asked(method, **params):
        headers = {
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": method,
            "accept": "application/json, text/event-stream",
        }
        return {
            "json": {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}},
            "headers": headers,
        }

    async with world.client(key) as client:
        listening = asked("subscriptions/listen", notifications={"toolsListChanged": True})
        try:
            async with client.stream("POST", "/mcp/tools", **listening) as answer:
                assert answer.status_code == 200
                lines = answer.aiter_lines()
                await _first(lines)
                await world.admin("POST", "/api/v1/stop", {"scope": scope, "reason": "it misbehaves"})
                async with asyncio.timeout(20):
                    (last,) = [line async for line in lines if line.startswith("data:")]
                assert '"resultType":"complete"' in last
            assert (await client.post("/mcp/tools", **asked("tools/list"))).status_code == 403
        finally:
            await world.admin("POST", "/api/v1/resume", {"scope": scope})
        assert (await client.post("/mcp/tools", **asked("tools/list"))).status_code == 200


@pytest.mark.parametrize("kind", ["key", "team", "everything"])
async def test_a_stop_ends_open_streams_at_once_and_new_calls_too(world, kind):
    name, key = await world.key()
    scope = {"key": {"key": name}, "team": {"team": "crew"}, "everything": {"org": True}}[kind]

    async def stop():
        await world.admin("POST", "/api/v1/stop", {"scope": scope, "reason": "it misbehaves"})

    took, rest = await ends_early(world, key, stop)
    try:
        assert took < PROMPT
        assert "it misbehaves" in rest[-1]
        assert "[DONE]" not in "".join(rest)
        refused = await world.call(key)
        assert refused.status_code == 403
        assert "stopped by an administrator" in refused.json()["error"]["message"]
        assert "it misbehaves. It works again" in refused.json()["error"]["message"]
        assert (await world.admin("GET", "/api/v1/stops"))["items"][0]["scope"] == scope
        async with world.client(key) as client:
            tools = await client.post("/mcp/tools", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
            assert tools.status_code == 403
    finally:
        await world.admin("POST", "/api/v1/resume", {"scope": scope})
    assert (await world.call(key)).status_code == 200
    rows = (await world.admin("GET", "/api/v1/audit?limit=2"))["items"]
    assert [row["action"] for row in rows] == ["resume", "stop"]


async def test_a_revoked_key_ends_its_open_streams(world):
    name, key = await world.key()

    async def revoke():
        await world.admin("POST", f"/api/v1/keys/{name}/revoke", {})

    took, rest = await ends_early(world, key, revoke)
    assert took < PROMPT
    assert "revoked" in rest[-1]
    assert (await world.call(key)).status_code == 401
    assert (await world.entry(key=name))["code"] == "invalid_key"


async def test_a_revoked_key_hears_no_more_of_a_profile(world):
    name, key = await world.key()
    meta = {f"io.modelcontextprotocol/{what}": value for what, value in LISTENER.items()}
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    headers = {
        "mcp-protocol-version": LISTENER["protocolVersion"],
        "mcp-method": "subscriptions/listen",
        "accept": "application/json, text/event-stream",
    }
    async with world.client(key) as client:
        call = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
        async with client.stream("POST", "/mcp/tools", json=call, headers=headers) as answer:
            lines = answer.aiter_lines()
            assert "acknowledged" in await _first(lines)
            await world.admin("POST", f"/api/v1/keys/{name}/revoke", {})
            rest = [line async for line in lines]
            assert not any(line.startswith(":") for line in rest)  # it ended before it was so still that it was pinged


async def test_a_secret_that_is_replaced_at_once_ends_its_open_streams(world):
    name, key = await world.key()

    async def rotate():
        await world.admin("POST", f"/api/v1/keys/{name}/rotate", {"overlap_seconds": 0})

    took, rest = await ends_early(world, key, rotate)
    assert took < PROMPT
    assert "another secret" in rest[-1]
    assert (await world.call(key)).status_code == 401


async def test_with_an_overlap_the_old_secret_goes_on(world):
    name, key = await world.key()
    made = await world.admin("POST", f"/api/v1/keys/{name}/rotate", {"overlap_seconds": 600})
    world.upstream.enqueue(chat("one two three four").paced(0.1))
    async with world.client(key) as client:
        request = {"model": "fast", "messages": HELLO, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=request) as answer:
            lines = answer.aiter_lines()
            await _first(lines)
            await world.admin("POST", f"/api/v1/keys/{name}/rotate", {"overlap_seconds": 600})
            rest = [line async for line in lines if line]
    assert "[DONE]" in rest[-1]
    assert (await world.call(made["secret"])).status_code == 200


async def test_the_key_in_use_does_not_stop_itself_and_an_owner_stops_keys_of_the_team_only(world):
    _, key = await world.key(user="ann")
    mine, _ = await world.key()
    async with world.client(key) as owner:
        assert (await owner.post("/api/v1/stop", json={"scope": {"key": mine}})).status_code == 200
        assert (await owner.post("/api/v1/resume", json={"scope": {"key": mine}})).status_code == 200
        for scope in {"team": "crew"}, {"org": True}, {"key": "admin"}:
            assert (await owner.post("/api/v1/stop", json={"scope": scope})).status_code in (403, 404)
    async with world.client() as admin:
        assert (await admin.post("/api/v1/stop", json={"scope": {"key": "admin"}})).status_code == 403
        assert (await admin.post("/api/v1/stop", json={"scope": {"key": "nobody"}})).status_code == 404


async def test_the_command_line_stops_and_resumes(world):
    name, key = await world.key()
    run = world.hub.cli
    await asyncio.to_thread(run, "stop", "key", name, "--reason", "leaked")
    assert (await world.call(key)).status_code == 403
    listed = await asyncio.to_thread(run, "stop")
    assert name in listed.stdout
    await asyncio.to_thread(run, "resume", "key", name)
    assert (await world.call(key)).status_code == 200


async def test_a_password_signs_in_and_a_browser_can_be_signed_out(world):
    done = await asyncio.to_thread(world.hub.cli, "user", "password", "ann", stdin="correct horse battery\n")
    assert "set" in done.stdout
    async with httpx2.AsyncClient(base_url=world.hub.url, timeout=30, trust_env=False) as browser:
        wrong = await browser.post("/login", data={"user": "ann", "password": "wrong horse battery"})
        nobody = await browser.post("/login", data={"user": "nobody", "password": "wrong horse battery"})
        assert (wrong.status_code, nobody.status_code) == (401, 401)
        right = await browser.post("/login", data={"user": "ann", "password": "correct horse battery"})
        assert right.status_code == 303
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get("/api/v1/me")).json()["user"] == "ann"
        (sign_in,) = (await browser.get("/api/v1/me/sign-ins")).json()["items"]
        assert sign_in["address"] == "127.0.0.1"
        listed = await asyncio.to_thread(world.hub.cli, "user", "sign-ins", "ann")
        assert sign_in["id"] in listed.stdout
        await asyncio.to_thread(world.hub.cli, "user", "sign-ins", "ann", "--end", sign_in["id"])
        assert (await browser.get("/api/v1/me")).status_code == 401


async def test_guessing_passwords_is_slowed_down(world):
    await world.put("users", "bob", {"teams": {"crew": "viewer"}})
    async with httpx2.AsyncClient(base_url=world.hub.url, timeout=30, trust_env=False) as browser:
        answers = [await browser.post("/login", data={"user": "bob", "password": "x"}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


async def test_guardrails_work_on_the_way_in_and_out_and_stand_in_the_entry(world):
    name, key = await world.key()
    rule = {"scope": {"key": name}, "on": ["input", "output"], "pii": ["email"], "action": "redact", "reversible": True}
    await world.put("guardrails", "mails", rule)
    await world.put("guardrails", "codes", {"scope": {"key": name}, "on": ["output"], "words": ["launch code"]})
    world.upstream.enqueue(chat("I wrote to [EMAIL_1] for you."))
    answer = await world.call(key, "write to ann@example.com")
    assert answer.json()["choices"][0]["message"]["content"] == "I wrote to ann@example.com for you."
    assert b"ann@example.com" not in world.upstream.requests[-1].body
    entry = await world.entry(key=name)
    assert [(f["rule"], f["kind"], f["action"]) for f in entry["findings"]] == [("mails", "email", "redact")]
    assert "ann@example.com" not in json.dumps(entry)

    world.upstream.enqueue(chat("the launch code is 4"))
    blocked = await world.call(key)
    assert (blocked.status_code, blocked.json()["error"]["code"]) == (400, "guardrail_blocked")
    assert "launch" not in blocked.text

    world.upstream.enqueue(chat("well, the launch code is 4-8-15 and more than that"))
    async with world.client(key) as client:
        body = {"model": "fast", "messages": HELLO, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=body) as streamed:
            text = (await streamed.aread()).decode()
    assert "guardrail_blocked" in text
    assert "launch" not in text
    assert "[DONE]" not in text


async def test_a_profile_names_rules_that_look_at_its_calls_alone(world):
    rule = {"scope": {"profile": "elsewhere"}, "on": ["tool_call", "tool_result"], "words": ["principal"]}
    await world.put("profiles", "elsewhere", {"servers": {}})
    await world.put("guardrails", "careful", rule)
    await world.put("profiles", "inner", {"servers": {"hub": {}}, "guardrails": ["careful"]})
    await world.put("profiles", "outer", {"include": ["inner"]})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "hub__whoami", "arguments": {}}}
    async with world.client() as client:
        said = {name: (await client.post(f"/mcp/{name}", json=call)).json() for name in ("tools", "inner", "outer")}
        unknown = {"spec": {"servers": {}, "guardrails": ["nothing"]}}
        refused = await client.put("/api/v1/profiles/wrong", json=unknown)
        assert refused.json()["faults"][0]["path"] == "profiles.wrong.guardrails.0"
        used = (await client.get("/api/v1/guardrails/careful/uses")).json()["items"]
        assert {"kind": "profiles", "name": "inner"}.items() <= used[0].items()
    assert not said["tools"]["result"].get("isError")
    for name in ("inner", "outer"):
        assert "The guardrail 'careful'" in said[name]["error"]["message"]
    found = (await world.entry(code="guardrail_blocked", profile="outer"))["findings"]
    assert [one["rule"] for one in found] == ["careful"]
    for name in ("outer", "inner"):
        await world.admin("DELETE", f"/api/v1/profiles/{name}")
    await world.admin("DELETE", "/api/v1/guardrails/careful")


async def test_a_caller_puts_rules_on_one_call_of_a_model_or_a_tool(world):
    (_, key), (another, _) = await world.key(), await world.key()
    base = {"on": ["input", "tool_call", "tool_result"], "words": ["principal"]}
    await world.put("guardrails", "wary", {**base, "scope": {"profile": "tools"}, "shadow": True})
    await world.put("guardrails", "theirs", {**base, "scope": {"key": another}})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "hub__whoami", "arguments": {}}}
    chat_body = {"model": "fast", "messages": [{"role": "user", "content": "the principal"}]}
    async with world.client(key) as client:
        world.upstream.enqueue(chat("ok"))
        assert (await client.post("/v1/chat/completions", json=chat_body)).status_code == 200
        assert "result" in (await client.post("/mcp/tools", json=call)).json()
        wary = {"x-hub-guardrails": "wary"}
        said = (await client.post("/v1/chat/completions", json=chat_body, headers=wary)).json()["error"]
        assert (said["code"], "'wary'" in said["message"]) == ("guardrail_blocked", True)
        assert (
            "The guardrail 'wary'"
            in (await client.post("/mcp/tools", json=call, headers=wary)).json()["error"]["message"]
        )
        asked = len(world.upstream.requests)
        for unknown in "nothing", "wary,theirs":
            refused = await client.post("/v1/chat/completions", json=chat_body, headers={"x-hub-guardrails": unknown})
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
            message = (await client.post("/mcp/tools", json=call, headers={"x-hub-guardrails": unknown})).json()[
                "error"
            ]["message"]
            assert f"no guardrail '{unknown.rpartition(',')[2]}'" in message
        many = {"x-hub-guardrails": ",".join(map(str, range(17)))}
        assert (await client.post("/v1/chat/completions", json=chat_body, headers=many)).status_code == 400
        assert len(world.upstream.requests) == asked
    for rule in "wary", "theirs":
        await world.admin("DELETE", f"/api/v1/guardrails/{rule}")


async def test_a_webhook_a_moderation_model_and_a_judge_are_asked(world):
    name, key = await world.key()
    asked = []

    def answer(received):
        asked.append(received)
        found = "bad" in received.body.decode()
        return json_reply({"action": "block" if found else "allow"})

    world.hooks.default = answer
    hook = {"url": f"{world.hooks.url}/guard", "secret": "env:HOOK_SECRET", "allow_private": True}
    base = {"scope": {"key": name}, "on": ["input"], "deadline_ms": 20_000}
    await world.put("guardrails", "hook", {**base, "webhook": hook})
    assert (await world.call(key, "good")).status_code == 200
    assert (await world.call(key, "bad")).status_code == 400
    sent = asked[0]
    at, _, mac = sent.headers["x-hub-signature"].partition(",")
    signed = f"{at.removeprefix('t=')}.".encode() + sent.body
    assert mac == "v1=" + hmac.new(HOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert json.loads(sent.body)["point"] == "input"
    await world.put("guardrails", "hook", {**base, "webhook": hook, "enabled": False})

    await world.put("guardrails", "mod", {**base, "moderation": {"model": "up/omni"}})
    world.upstream.enqueue(json_reply({"results": [{"flagged": True, "categories": {"violence": True}}]}))
    assert (await world.call(key, "x")).status_code == 400
    assert world.upstream.requests[-1].path.endswith("/moderations")
    await world.put("guardrails", "mod", {**base, "moderation": {"model": "up/omni"}, "enabled": False})

    await world.put("guardrails", "judge", {**base, "judge": {"model": "judge", "question": "Is it rude?"}})
    world.upstream.enqueue(chat("Yes."))
    assert (await world.call(key, "you fool")).status_code == 400
    world.upstream.enqueue(chat("no"), chat("hello"))
    assert (await world.call(key, "dear friend")).json()["choices"][0]["message"]["content"] == "hello"
    assert (await world.entry(model="judge"))["principal"] == "guardrail:judge"


async def test_a_guardrail_is_tried_on_samples(world, tmp_path):
    await world.put("guardrails", "cards", {"scope": {"team": "crew"}, "on": ["input"], "pii": ["card"]})
    file = tmp_path / "samples.jsonl"
    samples = [("pay 4111 1111 1111 1111", True), ("pay 4111 1111 1111 1112", False), ("nothing", True)]
    file.write_text("\n".join(json.dumps({"text": text, "found": found}) for text, found in samples))
    done = await asyncio.to_thread(world.hub.cli, "guardrail", "test", "cards", str(file), check=False)
    assert done.returncode == 1
    assert "recall 50.0%, false positives 0.0%" in done.stdout
    assert "missed" in done.stdout
    unsaved = {
        "samples": [{"text": "hunter2"}],
        "spec": {"scope": {"org": True}, "on": ["input"], "words": ["hunter2"]},
    }
    assert (await world.admin("POST", "/api/v1/guardrails/new/test", unsaved))["results"][0]["found"]


async def test_a_spent_budget_blocks_or_sends_to_the_cheaper_model_and_alerts(world):
    name, key = await world.key()
    told = []
    world.hooks.default = lambda received: told.append(received) or json_reply({})
    notify = {"url": f"{world.hooks.url}/alert", "secret": "env:HOOK_SECRET", "allow_private": True}
    budget = {"scope": {"key": name}, "usd": 0.03, "alerts": [20, 100], "notify": notify}
    down = {**budget, "mode": "downgrade", "downgrade_to": "cheap"}
    await world.put("budgets", "b", down)
    first = await world.call(key)
    assert first.headers["x-hub-model"] == "up/fast"
    while (answer := await world.call(key)).headers["x-hub-model"] != "up/cheap":
        assert answer.status_code == 200
    assert answer.headers["x-hub-budget-action"] == "downgrade"
    await until(lambda: told, seconds=10)
    alert = json.loads(told[0].body)
    assert (alert["event"], alert["budget"]) == ("budget.alert", "b")
    assert alert["percent"] in (20, 100)
    assert alert["text"].startswith(f"Budget b (key {name}): 0.0")
    await world.put("budgets", "b", {**budget, "mode": "block"})
    refused = await world.call(key)
    assert refused.status_code == 429
    assert refused.headers["x-hub-budget-action"] == "block"
    status = (await world.admin("GET", "/api/v1/budgets/b"))["status"]
    assert status["alerts_reached"]
    assert status["limit_usd"] == "0.030000"
    await world.put("budgets", "b", {**budget, "extra": {"usd": 5, "until": "2100-01-01T00:00:00Z"}})
    assert (await world.call(key)).status_code == 200


async def test_calls_of_tools_cost_what_the_server_says(world):
    name, key = await world.key()
    await world.put("budgets", "t", {"scope": {"key": name}, "usd": 0.6})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "hub__whoami", "arguments": {}}}
    async with world.client(key) as client:
        answers = [await client.post("/mcp/tools", json=call) for _ in range(3)]
    assert [answer.status_code for answer in answers][:2] == [200, 200]
    assert "budget_exhausted" in answers[2].text
    entry = await world.entry(key=name, outcome="ok")
    assert float(entry["cost_usd"]) == 0.25


async def test_a_webhook_reaches_no_private_address_unless_it_may(world):
    name, key = await world.key()
    before = len(world.hooks.requests)
    hook = {"url": f"{world.hooks.url}/guard", "secret": "env:HOOK_SECRET"}
    rule = {"scope": {"key": name}, "on": ["input"], "webhook": hook, "deadline_ms": 20_000}
    await world.put("guardrails", "inward", rule)
    answer = await world.call(key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "guardrail_blocked")
    await world.put("guardrails", "inward", {**rule, "on_error": "open"})
    assert (await world.call(key)).status_code == 200
    assert len(world.hooks.requests) == before
    assert (await world.entry(key=name))["findings"][0]["error"]


def asking_gemini(most):
    config = {"maxOutputTokens": most // 10, "candidateCount": 10}
    return {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": config}


@pytest.mark.parametrize(
    ("path", "asking"),
    [
        ("/v1/chat/completions", lambda most: {"messages": HELLO, "max_tokens": most}),
        ("/v1/chat/completions", lambda most: {"messages": HELLO, "max_tokens": most // 10, "n": 10}),
        ("/v1/completions", lambda most: {"prompt": "Hello", "max_tokens": most // 10, "best_of": 10}),
        ("/v1/messages", lambda most: {"messages": HELLO, "max_tokens": most}),
        ("/v1beta/models/uncharted:generateContent", asking_gemini),
    ],
)
async def test_all_that_a_call_asks_for_is_reserved_for(world, path, asking):
    """Of a model whose most output nobody knows, the caller's cap counts, and it counts for each answer."""
    await world.put("models", "uncharted", {"targets": [{"model": "up/uncharted"}], "price": PRICE})
    name, key = await world.key()
    await world.put("budgets", f"asked-{name}", {"scope": {"key": name}, "usd": 4.5})
    named = {} if path.startswith("/v1beta") else {"model": "uncharted"}
    world.upstream.default = chat("hi")
    async with world.client(key) as client:
        refused = await client.post(path, json={**named, **asking(5000)})
        assert (refused.status_code, refused.headers.get("x-hub-budget-action")) == (429, "block"), refused.text
        assert (await client.post(path, json={**named, **asking(50)})).status_code == 200
