"""Settings: where they come from, what is refused, and that no secret shows."""

import os
import re

import pytest

from hub.core.refusal import InvalidSpec
from hub.settings import Settings, variables

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in os.environ:
        if name.startswith("HUB_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)


def test_the_defaults_are_those_that_the_documentation_promises():
    settings = Settings()
    assert (settings.host, settings.port, str(settings.data)) == ("127.0.0.1", 8484, ".hub")
    assert settings.database_url == ""
    assert (settings.model_body_bytes, settings.mcp_body_bytes, settings.manage_body_bytes) == (
        20 << 20,
        4 << 20,
        1 << 20,
    )
    assert (settings.head_seconds, settings.drain_seconds) == (5, 30)
    assert settings.unknown == []
    assert settings.provider_keys == {}


def test_variables_are_read_and_flags_win(monkeypatch):
    monkeypatch.setenv("HUB_PORT", "9000")
    monkeypatch.setenv("HUB_HOST", "10.0.0.5")
    monkeypatch.setenv("HUB_ALLOWED_HOSTS", "Hub.Example.com, *.internal,[::1]")
    monkeypatch.setenv("HUB_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    settings = Settings(port=9001)
    assert (settings.port, settings.host) == (9001, "10.0.0.5")
    assert settings.hosts == ("hub.example.com", "*.internal", "::1", "10.0.0.5")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUB_PORT", "none", "integer"),
        ("HUB_PORT", "70000", "65535"),
        ("HUB_ADMIN_KEY", "tooshort-secret", "32 to 512"),
        ("HUB_ADMIN_KEY", "spaced out secret " * 3, "visible ASCII"),
        ("HUB_PUBLIC_URL", "hub.example.com", "https://"),
        ("HUB_PUBLIC_URL", "https://hub.example.com/path", "no path"),
        ("HUB_ALLOWED_HOSTS", "https://hub.example.com", "only its name"),
        ("HUB_ALLOWED_HOSTS", "hub.example.com:8484", "only its name"),
        ("HUB_TRUSTED_PROXIES", "proxy.internal", "address or a network"),
        ("HUB_DATABASE_URL", "mysql://user:secret@host/name", "only PostgreSQL"),
        ("HUB_LOG_LEVEL", "loud", "debug"),
        ("HUB_DRAIN_SECONDS", "-1", "greater than"),
        ("HUB_MODEL_BODY_BYTES", "12", "greater than"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name_without_showing_it(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSpec, match=re.escape(name)) as caught:
        Settings()
    assert says in caught.value.message
    assert "secret" not in caught.value.message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_listening_everywhere_needs_a_name(monkeypatch, host):
    with pytest.raises(InvalidSpec, match="HUB_PUBLIC_URL=") as caught:
        Settings(host=host)
    assert "HUB_ALLOWED_HOSTS=" in caught.value.message
    assert Settings(host=host, public_url="https://Hub.example.com/").public_url == "https://hub.example.com"
    assert Settings(host=host, allowed_hosts="hub.example.com").hosts == ("hub.example.com",)


def test_secrets_do_not_show():
    settings = Settings(admin_key=KEY, database_url="postgres://u:hunter2@db/hub")
    assert KEY not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert settings.database_url == "postgresql+asyncpg://u:hunter2@db/hub"
    assert settings.admin_key.get_secret_value() == KEY


def test_unknown_variables_are_named_with_what_was_meant(monkeypatch):
    for name in ("HUB_PROT", "HUB_URL", "HUB_KEY", "HUB_WHATEVER", "HUB_PORT"):
        monkeypatch.setenv(name, "1")
    assert Settings().unknown == [("HUB_PROT", "; did you mean HUB_PORT?"), ("HUB_WHATEVER", "")]


def test_providers_are_known_by_their_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    assert Settings().provider_keys == {"OPENAI_API_KEY": "sk-1"}


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("HUB_PORT", "")
    assert Settings().port == 8484


def test_limits_of_connections_follow_the_settings():
    limits = Settings(head_seconds=1, max_connections=99).http_limits
    assert (limits.head_seconds, limits.connections) == (1, 99)


def test_every_setting_is_described():
    assert all(len(text) > 15 for text in variables().values())
