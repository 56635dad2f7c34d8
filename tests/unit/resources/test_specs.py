"""Specs refuse what they do not understand, and say what to do about it."""

import pytest

from hub.core.refusal import InvalidSpec
from hub.resources import KINDS, dump, parse


def faults(kind, name, raw):
    with pytest.raises(InvalidSpec) as caught:
        parse(kind, name, raw)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_every_kind_of_the_contract_exists():
    assert list(KINDS) == [
        "providers", "models", "routes", "servers", "profiles", "teams", "users", "keys", "budgets", "limits",
        "guardrails", "announcements", "exports",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "raw", "path", "words"),
    [
        ("providers", {"kind": "openai", "api_key": "sk-123"}, "api_key", "env:NAME"),
        ("providers", {"kind": "azure-openai"}, "", "needs base_url"),
        ("providers", {"kind": "bedrock"}, "", "needs region"),
        ("providers", {"kind": "openai", "owner": {"user": "ann"}}, "", "belong together"),
        ("providers", {"kind": "openai", "instead_of": "a", "owner": {}}, "owner", "a team or a user"),
        (
            "providers",
            {"kind": "openai", "instead_of": "a", "owner": {"user": "b"}, "api_key": "env:A", "base_url": "http://h"},
            "",
            "leave out base_url",
        ),
        ("providers", {"kind": "openia"}, "kind", "unknown provider kind"),
        ("providers", {"kind": "openai-compatible"}, "", "needs base_url"),
        ("providers", {"kind": "openai", "base_url": "file:///etc"}, "base_url", "http://"),
        ("providers", {"kind": "openai", "base_url": "https://u:p@h/v1"}, "base_url", "credential"),
        ("models", {"targets": [{"model": "gpt"}]}, "targets.0.model", "provider/upstream-model"),
        ("models", {}, "", "targets or a route"),
        ("models", {"targets": [{"model": "a/b", "weight": 0}]}, "", "weight above 0"),
        ("models", {"targets": [{"model": "a/b"}], "price": {"input": "free"}}, "price.input", "decimal"),
        ("providers", {"kind": "demo", "price_factor": "0"}, "price_factor", "between 0.01"),
        ("providers", {"kind": "demo", "price_factor": "-10%"}, "price_factor", "decimal"),
        ("models", {"targets": [{"model": "a/b"}], "price": {"input": "-1"}}, "price.input", "between 0"),
        ("models", {"targets": [{"model": "a/b"}], "price": {"output": "100001"}}, "price.output", "between 0"),
        ("models", {"targets": [{"model": "a/b"}], "price": {"input": "NaN"}}, "price.input", "between 0"),
        ("models", {"targets": [{"model": "a/b"}], "price": {"input": "0.00000015"}}, "price.input", 'write "0.15"'),
        ("models", {"targets": [{"model": "a/b"}], "price": {"input": "1.0000001"}}, "price.input", "6 decimal"),
        ("models", {"targets": [{"model": "a/b"}], "price": {}}, "price", "at least one rate"),
        ("routes", {}, "", "a route needs targets"),
        ("routes", {"rules": [{"name": "r", "when": {}}]}, "rules.0", "targets or a route"),
        (
            "routes",
            {"rules": [{"name": "r", "route": "x"}, {"name": "r", "route": "y"}]},
            "",
            "two rules are named 'r'",
        ),
        (
            "routes",
            {"rules": [{"name": "r", "route": "x", "when": {"headers": {"Authorization": "*"}}}]},
            "rules.0.when.headers",
            "never looks at a credential",
        ),
        (
            "routes",
            {"rules": [{"name": "r", "route": "x", "when": {"hours": {"start": "8"}}}]},
            "rules.0.when.hours.start",
            "HH:MM",
        ),
        (
            "routes",
            {"rules": [{"name": "r", "route": "x", "when": {"hours": {"timezone": "Moon"}}}]},
            "rules.0.when.hours.timezone",
            "no time zone",
        ),
        ("routes", {"targets": [{"model": "a/b"}], "sticky": "forever"}, "sticky", "match pattern"),
        (
            "routes",
            {"targets": [{"model": "a/b"}], "retries": {"statuses": [200]}},
            "retries.statuses.0",
            "greater than",
        ),
        (
            "routes",
            {"targets": [{"model": "a/b"}], "shadow": {"target": "b", "usd_per_day": 1}},
            "shadow.target",
            "provider/",
        ),
        ("servers", {"command": ["x"], "url": "http://h"}, "", "exactly one"),
        ("servers", {"url": "http://h", "env": {"A": "b"}}, "", "no effect"),
        ("servers", {"command": ["x"], "auth": {"type": "oauth"}}, "", "no effect"),
        ("servers", {"openapi": "x", "auth": {"type": "oauth"}}, "", "goes with url"),
        ("servers", {"url": "http://h", "auth": {"type": "oauth", "secret": "env:A"}}, "auth", "has no secret"),
        ("servers", {"url": "http://h", "auth": {"type": "query", "secret": "env:A"}}, "auth", "parameter goes with"),
        (
            "servers",
            {"url": "http://h", "auth": {"type": "bearer", "secret": "env:A", "scopes": ["a"]}},
            "auth",
            "scopes goes with",
        ),
        (
            "servers",
            {"url": "http://h", "auth": {"type": "bearer", "secret": "env:A", "account": "user"}},
            "auth",
            "has no secret",
        ),
        ("servers", {"url": "http://h", "auth": {"type": "bearer", "account": "hub"}}, "auth", "needs secret"),
        ("servers", {"openapi": "x", "auth": {"type": "bearer", "account": "user"}}, "", "goes with url"),
        ("servers", {"url": "http://h", "auth": {"type": "none", "account": "user"}}, "auth", "account goes with"),
        ("servers", {"url": "http://h", "auth": {"type": "oauth", "client_secret": "env:A"}}, "auth", "client_id"),
        ("servers", {"url": "http://h", "forward": {"Authorization": ""}}, "forward", "does not go on"),
        ("servers", {"url": "http://h", "forward": {"x-a": "Cookie"}}, "forward", "does not go on"),
        ("servers", {"url": "http://h", "forward": {"Mcp-Session-Id": ""}}, "forward", "does not go on"),
        ("servers", {"command": ["x"], "forward": {"x-a": ""}}, "", "no effect"),
        ("servers", {"url": "http://h", "auth": {"type": "bearer"}}, "auth", "needs secret"),
        ("profiles", {"servers": {"a": {"tols": []}}}, "servers.a.tols", "did you mean 'tools'"),
        ("profiles", {"servers": {"a": {"rename": {"x": "y" * 65}}}}, "servers.a.rename.x", "match pattern"),
        ("users", {"role": "root"}, "role", "role"),
        ("keys", {"secret": "hunter2"}, "secret", "env:NAME"),
        ("keys", {"expires_at": "tomorrow"}, "expires_at", "date and time"),
        ("budgets", {"usd": 1, "scope": {"team": "a", "key": "b"}}, "scope", "exactly one"),
        ("budgets", {"usd": 0, "scope": {"org": True}}, "usd", "greater than 0"),
        ("budgets", {"usd": 1, "scope": {"org": True}, "mode": "downgrade"}, "", "downgrade_to goes with"),
        ("limits", {"scope": {"org": True}}, "", "at least one"),
        ("guardrails", {"scope": {"org": True}, "on": ["output"], "max_chars": 9}, "", "stream: hold"),
        ("guardrails", {"scope": {"org": True}, "on": ["input"], "patterns": ["(a"]}, "patterns", "RE2"),
        ("guardrails", {"scope": {"org": True}, "on": ["input"], "patterns": [r"(a)\1"]}, "patterns", "RE2"),
        ("announcements", {"title": "x", "severity": "loud"}, "severity", "info"),
        ("exports", {"format": "otlp", "endpoint": "x"}, "endpoint", "an address like"),
        ("exports", {"format": "otlp", "endpoint": "https://c/x", "protocol": "grpc"}, "protocol", "http/protobuf"),
        ("exports", {"format": "webhook"}, "", "needs an endpoint"),
        ("exports", {"format": "jsonl", "auth": "bearer"}, "", "belong together"),
    ],
)
def test_a_fault_names_its_field_and_the_remedy(kind, raw, path, words):
    found = faults(kind, "thing", raw)
    where = f"{kind}.thing" + (f".{path}" if path else "")
    assert any(known == where or known.startswith(f"{where}.") for known in found), found
    assert any(words in message for message in found.values()), found


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a" * 65, "../x", "a/b", "ä", "a\n"])
def test_a_name_is_a_slug(name):
    assert "not a name" in next(iter(faults("teams", name, {}).values()))


def test_a_model_may_have_a_slash_in_its_name():
    assert parse("models", "house/fast-1", {"targets": [{"model": "a/b"}]})


def test_an_unknown_kind_is_named():
    with pytest.raises(InvalidSpec, match="there is no kind 'provider'"):
        parse("provider", "x", {})


def test_a_spec_survives_dump_and_parse():
    raw = {"kind": "openai", "api_key": "env:OPENAI_API_KEY", "timeouts": {"total": 30}}
    spec = parse("providers", "openai", raw)
    assert dump(spec) == {"kind": "openai", "api_key": "env:OPENAI_API_KEY", "timeouts": {"total": 30.0}}
    assert parse("providers", "openai", dump(spec)) == spec


def test_numbers_are_not_taken_for_strings_nor_words_for_numbers():
    assert faults("budgets", "b", {"scope": {"org": True}, "usd": "200"})
    assert faults("models", "m", {"targets": [{"model": "a/b"}], "price": {"input": 0.1}})
