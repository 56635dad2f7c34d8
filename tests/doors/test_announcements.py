"""Notices that people put away: each for themselves, until the notice changes, never a critical one."""

import pytest

from tests.support.hubs import running_hub

RESOURCES = {
    "teams": {"mine": {}, "theirs": {}},
    "users": {"ann": {"teams": {"mine": "developer"}}, "bob": {"teams": {"theirs": "owner"}}},
    "keys": {"ann": {"user": "ann"}, "bob": {"user": "bob"}, "robot": {"team": "mine"}},
}
PATH = "/api/v1/me/announcements"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("notices")) as hub:
        with hub.client() as admin:
            assert admin.post("/api/v1/apply", json={"resources": RESOURCES}).status_code == 200
            secrets = {
                name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"] for name in RESOURCES["keys"]
            }
        yield hub, secrets


@pytest.fixture
def ann(world):
    with world[0].client(world[1]["ann"]) as client:
        yield client


def names(client, **query):
    return [item["name"] for item in client.get(PATH, params=query).json()["items"]]


def test_a_person_puts_a_notice_away_for_themselves_and_takes_it_back(world, ann):
    hub, secrets = world
    hub.put("announcements", "moving", {"title": "We move"})
    assert ann.put(f"{PATH}/moving/dismissal", json={}).json() == {"name": "moving", "dismissed": True}
    assert "moving" not in names(ann)
    assert "moving" in names(ann, dismissed="1")
    with hub.client(secrets["bob"]) as bob, hub.client() as admin:
        assert "moving" in names(bob)
        assert "moving" in names(admin)
    assert ann.delete(f"{PATH}/moving/dismissal").json() == {"name": "moving", "dismissed": False}
    assert "moving" in names(ann)


@pytest.mark.parametrize(
    "change", [{"title": "We do not move"}, {"severity": "warning"}, {"ends_at": "2999-01-01T00:00:00Z"}]
)
def test_a_notice_that_changes_shows_again(world, ann, change):
    world[0].put("announcements", "changing", {"title": "We move", "body": "On Friday"})
    assert ann.put(f"{PATH}/changing/dismissal", json={}).status_code == 200
    world[0].put("announcements", "changing", {"title": "We move", "body": "On Friday", **change})
    assert "changing" in names(ann)


def test_only_what_was_read_is_put_away(world, ann):
    world[0].put("announcements", "quick", {"title": "Before"})
    (seen,) = (item["digest"] for item in ann.get(PATH).json()["items"] if item["name"] == "quick")
    world[0].put("announcements", "quick", {"title": "After"})
    answer = ann.put(f"{PATH}/quick/dismissal", json={"digest": seen})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")
    assert "quick" in names(ann)


def test_a_critical_notice_stays_while_it_holds(world, ann):
    world[0].put("announcements", "leak", {"title": "Leak", "severity": "info"})
    assert ann.put(f"{PATH}/leak/dismissal", json={}).status_code == 200
    world[0].put("announcements", "leak", {"title": "Leak", "severity": "critical"})
    (item,) = (item for item in ann.get(PATH).json()["items"] if item["name"] == "leak")
    assert (item["dismissible"], item["dismissed"]) == (False, False)
    answer = ann.put(f"{PATH}/leak/dismissal", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_dismissible")


def test_what_is_not_for_somebody_cannot_be_put_away_nor_seen(world, ann):
    hub, secrets = world
    hub.put("announcements", "theirs", {"title": "Theirs", "teams": ["theirs"]})
    hub.put("announcements", "later", {"title": "Later", "starts_at": "2999-01-01T00:00:00Z"})
    hub.put("announcements", "all", {"title": "All"})
    for name in "theirs", "later":
        assert ann.put(f"{PATH}/{name}/dismissal", json={}).status_code == 404
        assert ann.get(f"/api/v1/announcements/{name}").status_code == 404
    assert not {"theirs", "later"} & {item["name"] for item in ann.get("/api/v1/announcements").json()["items"]}
    with hub.client(secrets["bob"]) as bob:
        assert bob.put(f"{PATH}/theirs/dismissal", json={}).status_code == 200
        assert bob.get("/api/v1/announcements/theirs").status_code == 200
    with hub.client(secrets["robot"]) as robot:
        assert robot.put(f"{PATH}/all/dismissal", json={}).status_code == 403
    with hub.client(None) as nobody:
        assert nobody.put(f"{PATH}/all/dismissal", json={}).status_code == 401
