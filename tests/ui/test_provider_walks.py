"""A provider's page: tested, given a new key, switched off and on again."""

import http.server
import json
import threading

import pytest

GOOD = "a-key-that-works"


class _Provider(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = GOOD in self.headers.get("authorization", "")
        body = json.dumps({"data": [{"id": "alpha"}, {"id": "<b>beta</b>"}]} if good else {"error": {"message": "no"}})
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def provider(world):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with world.hub.client() as operator:
        operator.put("/api/v1/secrets/acme", json={"value": "a-key-that-does-not"})
        spec = {
            "kind": "openai-compatible",
            "base_url": f"http://127.0.0.1:{server.server_port}/v1",
            "allow_private": True,
            "api_key": "vault:acme",
        }
        operator.put("/api/v1/providers/acme", json={"spec": spec})
        operator.put("/api/v1/models/acme-alpha", json={"spec": {"targets": [{"model": "acme/alpha"}]}})
        yield "/admin/providers/acme"
        operator.delete("/api/v1/models/acme-alpha")
        operator.delete("/api/v1/providers/acme")
    server.shutdown()
    server.server_close()


def test_a_bad_key_is_found_and_replaced(provider, browse):
    page = browse("admin", provider)
    page.get_by_role("button", name="Test now").click()
    page.get_by_text("refuses this credential").wait_for()
    assert page.locator("#test .state").inner_text() == "fails"
    page.get_by_text("Put a new key in its place").click()
    page.get_by_label("New key").fill(GOOD)
    page.get_by_role("button", name="Replace and test").click()
    page.get_by_text("It works: 2 models.").wait_for()
    page.locator("#test summary", has_text="models there").click()
    page.locator("#test li", has_text="<b>beta</b>").wait_for()
    assert GOOD not in page.content()


def test_switching_off_names_what_it_takes_away_and_can_be_undone(world, provider, browse):
    page = browse("admin", provider)
    asked = []

    def answer(dialog):
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    page.get_by_role("button", name="Switch off").click()
    page.get_by_text("Switch it on again below to undo that.").wait_for()
    assert "models/acme-alpha" in asked[0]
    with world.hub.client() as operator:
        assert operator.get("/api/v1/providers/acme").json()["spec"]["enabled"] is False
    page.get_by_role("button", name="Switch on").click()
    page.get_by_role("heading", name="In force").wait_for()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/providers/acme").json()["spec"]["enabled"] is True


def test_an_auditor_sees_no_buttons(world, provider):
    with world.signed_in("aud") as client:
        text = client.get(provider).text
    assert "Test now" not in text
    assert "Switch off" not in text


def test_it_works_without_scripts(world, provider):
    with world.signed_in("olga") as client:
        headers = {"origin": world.url, "sec-fetch-site": "same-origin"}
        answer = client.post(provider, data={"do": "test"}, headers=headers)
        assert answer.status_code == 200
        assert "refuses this credential" in answer.text
        assert client.post(provider, data={"do": "switch-off"}, headers=headers).status_code == 303
        assert "Switched off" in client.get(provider).text
