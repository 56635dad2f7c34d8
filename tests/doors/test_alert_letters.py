"""Alerts of budgets by e-mail, from a running hub: to everybody who is named, again when they were not taken."""

import pytest

from hub.core.refusal import InvalidSpec
from hub.resources import parse
from tests.support.hubs import running_hub, wait_for
from tests.support.letters import MailServer

HELLO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


def test_a_threshold_is_told_by_letter(tmp_path):
    resources = {
        "providers": {"demo": {"kind": "demo"}},
        "models": {"demo": {"targets": [{"model": "demo/demo-1"}], "price": {"input": "1000", "output": "1000"}}},
        "budgets": {
            "month": {
                "scope": {"org": True}, "usd": 0.001, "mode": "warn", "alerts": [50],
                "notify": {"email": ["ann@example.com", "bob@example.com"]},
            }
        },
    }  # fmt: skip
    with MailServer(refuses=1) as server:
        environment = {"HUB_SMTP_URL": f"smtp://127.0.0.1:{server.port}", "HUB_SMTP_FROM": "hub@example.com"}
        with running_hub(tmp_path, resources, environment) as hub, hub.client() as http:
            assert http.post("/v1/chat/completions", json=HELLO).status_code == 200
            wait_for(lambda: server.letters, seconds=30)
            (letter,) = server.letters
            assert letter["To"] == "ann@example.com, bob@example.com"
            assert letter["Subject"] == "Budget month"
            assert letter.get_content().startswith("Budget month (the whole hub): ")


@pytest.mark.parametrize(
    ("notify", "says"),
    [
        ({}, "a url, or email addresses"),
        ({"url": "https://a.example"}, "url and secret go together"),
        ({"email": ["no address"]}, "notify.email.0"),
        ({"email": ["a@b, c@d"]}, "notify.email.0"),
    ],
)
def test_who_is_told_must_be_said(notify, says):
    with pytest.raises(InvalidSpec, match=says):
        parse("budgets", "b", {"scope": {"org": True}, "usd": 1, "alerts": [50], "notify": notify})
