"""Secrets are planted everywhere a hub gets them, everything is used, and nothing that it writes or tells holds one."""

import json
import re

import pytest

from tests.support.collector import collecting
from tests.support.hubs import ADMIN_KEY, RESOURCES, running_hub, wait_for

INPUT = {"scope": {"org": True}, "on": ["input"]}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
LINK = re.compile(r'href="(/(?:admin|console)[^"#]*)"')
CANARIES = {
    name: f"canary-{name}-{number:02d}-7f3a9c5e1b2d4f60"
    for number, name in enumerate(
        (
            "provider",
            "export",
            "webhook",
            "vault",
            "own",
            "prompt",
            "argument",
            "wrong-key",
            "server",
            "judge",
            "alert",
            "found",
            "password",
            "new-password",
            "wrong-password",
            "dialect",
            "in-query",
            "explained",
            "sample",
            "played",
            "token",
        )
    )
}


def use(hub, key):
    """Calls that work and calls that fail, of models and tools, with secrets in all of them."""
    chat = {"model": "broken", "messages": [{"role": "user", "content": CANARIES["prompt"]}]}
    with hub.client(key=key) as client:
        for model in ("broken", "demo"):
            for stream in (False, True):
                client.post("/v1/chat/completions", json={**chat, "model": model, "stream": stream})
        client.post(
            "/v1/chat/completions", json=chat,
            headers={"x-hub-key": key, "authorization": f"Bearer {CANARIES['own']}"},
        )  # fmt: skip
        call = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "new__echo", "arguments": {"text": CANARIES["argument"]}, "_meta": META},
        }  # fmt: skip
        listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": META}}
        client.post("/mcp/locked", json=listed)
        headers = {
            "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "new__echo",
            "accept": "application/json, text/event-stream",
        }  # fmt: skip
        client.post("/mcp/both", json=call, headers=headers)
        client.post("/v1/chat/completions", content=b"{" + CANARIES["prompt"].encode())
        for word in "redacted", "blocked":  # what rules find
            told = {"model": "demo", "messages": [{"role": "user", "content": f"{word}: {CANARIES['found']}"}]}
            client.post("/v1/chat/completions", json=told)
            client.post("/v1/chat/completions", json=told, headers={"x-hub-guardrails": "named"})
    with hub.client(key=f"hub_abcdefgh_{CANARIES['wrong-key']}") as client:
        assert client.get("/api/v1/me").status_code == 401


def use_other_doors(hub, key):
    """What the other dialects, the pages and the management API are told, rightly and wrongly."""
    said = CANARIES["dialect"]
    bodies = {
        "/v1/responses": {"input": said},
        "/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": said}]},
        "/v1/embeddings": {"input": said},
        "/v1/images/generations": {"prompt": said},
        "/v1/audio/speech": {"input": said, "voice": "x"},
        "/v1/rerank": {"query": said, "documents": [said]},
        "/v1/moderations": {"input": said},
    }
    with hub.client(key=key) as client:
        for model in "broken", "demo":
            for path, body in bodies.items():
                client.post(path, json={"model": model, **body})
            asked = {"contents": [{"parts": [{"text": said}]}]}
            client.post(f"/v1beta/models/{model}:generateContent?key={CANARIES['in-query']}", json=asked)
            client.post(f"/model/{model}/converse", json={"messages": [{"role": "user", "content": [{"text": said}]}]})
        chat = {"model": "demo", "messages": [{"role": "user", "content": CANARIES["played"]}]}
        client.post("/api/v1/playground/chat", json=chat)
        told = {"body": chat, "headers": {"authorization": CANARIES["explained"]}}
        assert client.post("/api/v1/explain", json=told).status_code == 200
    with hub.client() as client:
        samples = [{"text": f"redacted: {CANARIES['sample']}", "found": True}]
        assert client.post("/api/v1/guardrails/hide/test", json={"samples": samples}).status_code == 200
        first, then = {"password": CANARIES["password"]}, {"old": CANARIES["password"], "new": CANARIES["new-password"]}
        assert client.put("/api/v1/users/admin/password", json=first).status_code == 200
        assert client.put("/api/v1/me/password", json={**then, "old": CANARIES["wrong-password"]}).status_code == 401
        assert client.put("/api/v1/me/password", json=then).status_code == 200
    with hub.client(None) as browser:
        for user, password in (
            ("admin", "wrong-password"),
            ("admin", "new-password"),
            (CANARIES["wrong-password"], "x"),
        ):
            browser.post("/login", data={"user": user, "password": CANARIES.get(password, password)})
        token = CANARIES["token"]
        browser.get(f"/login?token={token}")
        browser.post("/login", data={"token": token})
        browser.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, "client_id": "x"})
        browser.post("/oauth/revoke", data={"token": token})
        browser.get("/console", headers={"cookie": f"hub_sign_in={token}"})


def told(hub):
    """Everything that an administrator can read."""
    with hub.client() as client:
        for path in (
            "/api/v1/logs?limit=1000", "/api/v1/logs/export?format=jsonl", "/api/v1/logs/export?format=csv", "/api/v1/usage",
            "/api/v1/audit/export", "/api/v1/export", "/api/v1/instance", "/api/v1/secrets", "/metrics", "/v1/models",
            "/api/v1/keys", "/api/v1/providers", "/api/v1/exports", "/api/v1/servers", "/api/v1/sessions",
            "/api/v1/guardrails", "/api/v1/budgets", "/api/v1/logs/export?format=parquet", "/api/v1/usage?format=csv",
            "/api/v1/audit?limit=500", "/v1/status", "/registry/v0.1/servers", "/llms.txt", "/readyz",
        ):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code == 200, path
            yield path, answer.content
    yield from pages(hub)


def pages(hub):
    """Every page of both apps that an administrator can come to by links, each path once."""
    with hub.client() as client:
        link = client.post("/api/v1/users/admin/sign-in-link", json={}).json()["url"]
    with hub.client(None, follow_redirects=True) as browser:
        browser.post("/login", data={"token": link.partition("token=")[2]})
        waiting, known = ["/admin", "/console"], set()
        while waiting:
            path = waiting.pop()
            answer = browser.get(path)
            assert answer.status_code < 500, path
            yield path, answer.content
            for found in LINK.findall(answer.text):
                if found.partition("?")[0] not in known:
                    known.add(found.partition("?")[0])
                    waiting.append(found)
    assert {"/admin/logs", "/admin/guardrails/hide", "/admin/providers/broken", "/console/keys"} <= known


@pytest.mark.slow
def test_no_planted_secret_is_found_anywhere(tmp_path):
    with collecting() as collector:
        there = {"allow_private": True}
        resources = {
            **RESOURCES,
            "providers": {
                "demo": {"kind": "demo"},
                "broken": {
                    "kind": "openai-compatible", "base_url": f"{collector.url}/v1", "allow_private": True,
                    "api_key": "env:PROVIDER_SECRET",
                },
            },
            "models": {**RESOURCES["models"], "broken": {"targets": [{"model": "broken/m"}]}},
            "servers": {
                **RESOURCES["servers"],
                "locked": {
                    "url": f"{collector.url}/m", **there, "auth": {"type": "bearer", "secret": "env:SERVER_SECRET"},
                },
            },
            "profiles": {**RESOURCES["profiles"], "locked": {"servers": {"locked": {}}}},
            "guardrails": {
                "hide": {**INPUT, "patterns": ["redacted: canary-[a-z0-9-]+"], "action": "redact", "reversible": True},
                "stop": {**INPUT, "patterns": ["blocked: canary-[a-z0-9-]+"]},
                "named": {**INPUT, "patterns": ["canary-[a-z0-9-]+"], "shadow": True},
                "asked": {
                    **INPUT, "webhook": {"url": f"{collector.url}/j", "secret": "env:JUDGE_SECRET", **there}, "action": "flag",
                    "on_error": "open",
                },
            },
            "budgets": {
                "all": {
                    "scope": {"org": True}, "usd": 0.0001, "mode": "warn", "alerts": [1],
                    "notify": {"url": f"{collector.url}/a", "secret": "env:ALERT_SECRET", **there},
                },
            },
            "exports": {
                "traces": {
                    "format": "otlp", "endpoint": f"{collector.url}/t", **there, "auth": "bearer", "secret": "env:EXPORT_SECRET",
                },
                "hook": {
                    "format": "webhook", "of": ["calls", "audit"], "endpoint": f"{collector.url}/w", **there,
                    "auth": "signature", "secret": "env:WEBHOOK_SECRET",
                },
                "file": {"of": ["calls", "audit"]},
            },
        }  # fmt: skip
        environment = {
            "PROVIDER_SECRET": CANARIES["provider"],
            "EXPORT_SECRET": CANARIES["export"],
            "WEBHOOK_SECRET": CANARIES["webhook"],
            "SERVER_SECRET": CANARIES["server"],
            "JUDGE_SECRET": CANARIES["judge"],
            "ALERT_SECRET": CANARIES["alert"],
            "HUB_LOG_LEVEL": "debug",
        }
        with running_hub(tmp_path, resources, environment) as hub:
            with hub.client() as client:
                assert client.put("/api/v1/secrets/planted", json={"value": CANARIES["vault"]}).status_code == 200
            made = hub.put("keys", "canary", {"team": team(hub)})["secret"]
            use(hub, made)
            use_other_doors(hub, made)
            wait_for(lambda: collector.taken("/w") and collector.taken("/t"), 30)
            secrets = {**CANARIES, "admin key": ADMIN_KEY, "made key": made.rpartition("_")[2]}
            for place, content in told(hub):
                check(place, content, secrets)
            for path in ("/w", "/t", "/a"):
                for _, body in collector.taken(path):
                    check(f"what {path} got", body, secrets)
            asked = [body for _, body in collector.taken("/j")]
            assert asked  # whoever is asked about a text has to be told it, and no secret of the hub's
            for body in asked:
                check("what the judge got", body, {name: secrets[name] for name in ("judge", "provider", "made key")})
            on_disk(tmp_path, secrets)
        on_disk(tmp_path, secrets)
        check("output", "".join(hub.output).encode(), secrets)
        assert any(CANARIES["provider"] in headers.get("authorization", "") for headers in sent(collector))


def team(hub):
    hub.put("teams", "canaries", {"models": ["*"], "profiles": ["*"]})
    return "canaries"


def sent(collector):
    """The headers of what the provider got: the one place where its key belongs."""
    return [{name.lower(): value for name, value in headers.items()} for _, path, headers, _ in collector.received]


def on_disk(folder, secrets):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            check(str(path.relative_to(folder)), path.read_bytes(), secrets)


def check(place, content, secrets):
    for name, secret in secrets.items():
        assert secret.encode() not in content, f"{name} stands in {place}"
        assert json.dumps(secret).encode() not in content, f"{name} stands in {place}"
