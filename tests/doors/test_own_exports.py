"""Own exports over the API: traces of one's own calls in one's own collector, and of nobody else's."""

import contextlib

import pytest

from tests.support.collector import attributes, collecting
from tests.support.hubs import RESOURCES, running_hub, wait_for

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
SECRET = "a-token-of-anns-collector"
PEOPLE = {
    "teams": {"crew": {"models": ["*"]}, "others": {"models": ["*"]}},
    "users": {
        "ann": {"teams": {"crew": "owner"}},
        "dev": {"teams": {"crew": "developer"}},
        "eve": {"teams": {"others": "owner"}},
    },
}


@pytest.fixture(scope="module")
def collector():
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("own"), {**RESOURCES, **PEOPLE}) as one:
        yield one


@contextlib.contextmanager
def signed_in(hub, user):
    with hub.client() as admin:
        link = admin.post(f"/api/v1/users/{user}/sign-in-link", json={}).json()["url"]
    with hub.client(None) as client:
        client.headers.update({"origin": hub.url, "sec-fetch-site": "same-origin"})
        client.post("/login", data={"token": link.partition("token=")[2]})
        yield client


def called_by(hub, key, user, request_id, team="crew"):
    secret = hub.put("keys", key, {"team": team, **({"user": user} if user else {})})["secret"]
    with hub.client(secret) as client:
        assert client.post("/v1/chat/completions", json=CHAT, headers={"x-request-id": request_id}).status_code == 200


def told(collector, path):
    """The request ids of the calls that reached the collector there."""
    return {attributes(span).get("hub.request_id") for _, span in collector.spans(path)} - {None}


def own(client, team=None):
    items = client.get("/api/v1/me/exports").json()["items"]
    return next(one for one in items if one["owner"] == ({"team": team} if team else {"user": "ann"}))


def test_only_ones_own_calls_arrive_and_the_secret_goes_nowhere_else(hub, collector):
    there = f"{collector.url}/anns"
    given = {"endpoint": there, "auth": "bearer", "value": SECRET, "service_name": "anns"}
    with signed_in(hub, "ann") as ann, hub.client() as admin:
        made = ann.put("/api/v1/me/exports", json=given)
        assert made.status_code == 200, made.text
        called_by(hub, "anns", "ann", "anns-first")
        refused = wait_for(lambda: own(ann)["export"]["status"].get("last_error"))
        assert "private" in refused  # an address in the hub's own network is an administrator's to allow
        name = made.json()["export"]["resource"]
        spec = admin.get(f"/api/v1/exports/{name}").json()["spec"]
        admin.put(f"/api/v1/exports/{name}", json={"spec": {**spec, "allow_private": True}}).raise_for_status()
        kept = ann.put("/api/v1/me/exports", json={"endpoint": there, "auth": "bearer", "service_name": "hers"})
        assert kept.status_code == 200, kept.text
        called_by(hub, "devs", "dev", "of-dev")
        called_by(hub, "nobodys", None, "of-nobody")
        called_by(hub, "anns-too", "ann", "anns-second")
        wait_for(lambda: "anns-second" in told(collector, "/anns"))
        assert told(collector, "/anns") <= {"anns-first", "anns-second"}
        headers, _ = collector.taken("/anns")[-1]
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert SECRET not in ann.get("/api/v1/me/exports").text + admin.get("/api/v1/exports").text
        elsewhere = ann.put("/api/v1/me/exports", json={"endpoint": f"{collector.url}/else", "auth": "bearer"})
        assert elsewhere.status_code == 422
        assert "not sent to another address" in elsewhere.text
        moved = ann.put("/api/v1/me/exports", json={**given, "endpoint": f"{collector.url}/else"})
        assert moved.status_code == 200
        assert "allow_private" not in admin.get(f"/api/v1/exports/{name}").json()["spec"]
        assert ann.delete("/api/v1/me/exports").status_code == 200
        assert own(ann)["export"] is None
        assert name not in admin.get("/api/v1/secrets").text


def test_a_teams_traces_are_its_owners_to_send(hub, collector):
    given = {"endpoint": "https://collector.example.com/v1/traces", "team": "crew"}
    with signed_in(hub, "dev") as dev, signed_in(hub, "eve") as eve, signed_in(hub, "ann") as ann:
        assert dev.put("/api/v1/me/exports", json=given).status_code == 403
        assert eve.put("/api/v1/me/exports", json=given).status_code == 403
        assert ann.put("/api/v1/me/exports", json=given).status_code == 200
        seen = next(one for one in dev.get("/api/v1/me/exports").json()["items"] if "team" in one["owner"])
        assert (seen["may_change"], seen["export"]["endpoint"]) == (False, given["endpoint"])
        assert "crew" not in eve.get("/api/v1/me/exports").text
        assert dev.delete("/api/v1/me/exports", params={"team": "crew"}).status_code == 403
        with hub.client() as admin:
            uses = admin.get("/api/v1/teams/crew/uses").json()["items"]
            assert any(one["kind"] == "exports" and one["how"] == "is its own" for one in uses)
        assert ann.delete("/api/v1/me/exports", params={"team": "crew"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"auth": "signature", "value": "x"}, "auth"),
        ({"auth": "bearer"}, "value"),
        ({"auth": "api_key", "value": "x", "api_key_header": "Content-Length"}, "api_key_header"),
        ({"sample": 2}, "sample"),
        ({"content": True}, "content"),
        ({"allow_private": True}, "allow_private"),
        ({"secret": "env:PATH", "auth": "bearer"}, "secret"),
    ],
)
def test_nobody_reaches_further_than_their_own_calls(hub, change, field):
    with signed_in(hub, "ann") as ann:
        answer = ann.put("/api/v1/me/exports", json={"endpoint": "https://collector.example.com", **change})
        assert answer.status_code == 422
        assert answer.json()["faults"][0]["path"].rpartition(".")[2] == field
        assert own(ann)["export"] is None


def test_a_key_says_not_whose_it_is(hub):
    secret = hub.put("keys", "plain", {"team": "crew", "user": "ann"})["secret"]
    with hub.client(secret) as client:
        assert client.put("/api/v1/me/exports", json={"endpoint": "https://collector.example.com"}).status_code == 403


def test_what_a_file_manages_is_changed_there(hub):
    address = "https://collector.example.com/v1/traces"
    spec = {"format": "otlp", "endpoint": address, "owner": {"user": "ann"}}
    with hub.client() as admin:
        filed = {"source": "traces.yaml", "resources": {"exports": {"filed": spec}}}
        assert admin.post("/api/v1/apply", json=filed).status_code == 200
        with signed_in(hub, "ann") as ann:
            given = {"endpoint": address, "auth": "bearer", "value": SECRET}
            for refused in (ann.put("/api/v1/me/exports", json=given), ann.delete("/api/v1/me/exports")):
                assert (refused.status_code, refused.json()["code"]) == (409, "managed_by_file")
                assert "traces.yaml" in refused.json()["detail"]
            assert own(ann)["export"]["file"] == "traces.yaml"
        assert "filed" not in {one["name"] for one in admin.get("/api/v1/secrets").json()["items"]}
        gone = admin.post("/api/v1/apply", json={"source": "traces.yaml", "resources": {}, "prune": True})
        assert gone.status_code == 200, gone.text
