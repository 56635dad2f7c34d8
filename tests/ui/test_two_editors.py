"""Two people change the same: whoever comes second is told what the first did, loses nothing typed, and then decides."""

from uuid import uuid4

import pytest

from hub.resources import KINDS
from tests.support.forms import form_with
from tests.support.hubs import wait_for
from tests.ui import places

# Pages with a form that changes what somebody else may change, too. Each is gone through by two people below, or where
# it is walked alone: approvals in test_approval_walks.py, announcements in test_announcement_walks.py.
SHARED = {
    *(f"/admin/{kind}/{{name:path}}" for kind in KINDS),
    *(f"/admin/new/{kind}" for kind in KINDS),
    *(f"/console/{kind}/{{name:path}}" for kind in ("keys", "routes")),
    *(f"/console/new/{kind}" for kind in ("keys", "routes", "profiles")),
    *(f"/{app}/compose/{{name}}" for app in ("admin", "console")),
    *("/admin/oauth-clients", "/admin/secrets", "/admin/start", "/console/connections", "/console/traces"),
    *("/admin/approvals/{name}", "/console/announcements"),
}
# And those that change nothing, or what is one's own, or in which the second only says again what the first said.
ALONE = {
    *("/admin/try/{name}", "/console/profiles/{profile}/tools/{tool}", "/install/{profile}"),
    *(f"/{app}/logs/{{id}}" for app in ("admin", "console")),
    *("/console/account", "/admin/stops"),
}
MODEL = {"targets": [{"model": "demo/x"}]}
SPECS = {
    "providers": {"kind": "demo"},
    "models": MODEL,
    "routes": MODEL,
    "servers": {"builtin": "hub"},
    "profiles": {"servers": {"hub": {}}},
    "teams": {},
    "users": {"teams": {"platform": "viewer"}},
    "keys": {"team": "platform"},
    "budgets": {"scope": {"key": "lab"}, "usd": 1_000_000},
    "limits": {"scope": {"key": "lab"}, "rpm": 1_000_000},
    "guardrails": {"scope": {"key": "lab"}, "on": ["input"], "words": ["xyzzyx"], "action": "flag"},
    "announcements": {"body": "Text", "starts_at": "2999-01-01T00:00:00Z"},
    "exports": {"format": "otlp", "endpoint": "http://127.0.0.1:9/v1/traces", "allow_private": True, "enabled": False},
}
EDITORS = [*(("admin", kind) for kind in KINDS), ("console", "keys"), ("console", "routes")]


@pytest.fixture(scope="module")
def editors(world):
    """The administrator, and Olga, who is one as well."""
    with world.signed_in("admin") as one, world.signed_in("olga") as other:
        yield one, other


@pytest.fixture
def name():
    """A name that nothing has and nothing had: what is deleted keeps its versions."""
    return f"edited-{uuid4().hex[:8]}"


@pytest.fixture
def made(world):
    """Makes a resource for one test."""
    paths = []

    def make(kind, name, spec):
        world.hub.put(kind, name, spec)
        paths.append(f"/api/v1/{kind}/{name}")

    yield make
    with world.hub.client() as operator:
        for path in paths:
            assert operator.delete(path).status_code in (200, 404), path


def stored(world, kind, name):
    with world.hub.client() as operator:
        return operator.get(f"/api/v1/{kind}/{name}").json()


def test_every_form_says_whether_two_people_meet_in_it():
    assert places.routes("POST") == SHARED | ALONE


@pytest.mark.parametrize(("app", "kind"), EDITORS)
def test_the_second_to_save_is_told_what_the_first_saved(world, editors, made, name, app, kind):
    one, other = editors
    path = f"/{app}/{kind}/{name}"
    made(kind, name, {"title": "Before", **SPECS[kind]})
    mine = form_with(one.get(path).text, "spec.title", do="save")
    theirs = form_with(other.get(path).text, "spec.title", do="save")
    saved = other.post(path, data=theirs.sent(do="save", **{"spec.title": "By Olga"}))
    assert saved.status_code == 303, saved.text
    told = one.post(path, data=mine.sent(do="save", **{"spec.title": "By me"}))
    assert told.status_code == 409
    for part in ("Somebody else changed this", "user:olga saved version 2", "<del>By Olga</del>", 'value="By me"'):
        assert part in told.text, part
    assert stored(world, kind, name)["spec"]["title"] == "By Olga"
    again = form_with(told.text, "spec.title", do="save")
    assert one.post(path, data=again.sent(do="save")).status_code == 303
    assert stored(world, kind, name)["spec"]["title"] == "By me"


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_who_make_the_same_name_one_makes_it(world, editors, made, name, kind):
    made(kind, name, {"title": "Theirs", **SPECS[kind]})
    page = editors[0].get(f"/admin/new/{kind}?view=yaml").text
    form = form_with(page, "name", "yaml", do="save")
    told = editors[0].post(
        f"/admin/new/{kind}", data=form.sent(do="save", name=name, yaml=str({"title": "Mine", **SPECS[kind]}))
    )
    assert told.status_code == 409, told.text
    assert f"&#39;{name}&#39; already" in told.text
    assert f'value="{name}"' in told.text
    assert stored(world, kind, name)["version"] == 1


@pytest.mark.parametrize("do", ["delete", "restore"])
@pytest.mark.parametrize(("path", "kind"), [("/admin/teams/{}", "teams"), ("/console/compose/{}", "profiles")])
def test_nobody_deletes_or_restores_over_what_they_have_not_seen(world, editors, made, name, path, kind, do):
    path = path.format(name)
    page = path if do == "delete" else f"{path}?view=history"
    wanted = {"do": do} if do == "delete" else {"do": do, "version": "1"}
    made(kind, name, {"title": "First", **SPECS[kind]})
    made(kind, name, {"title": "Second", **SPECS[kind]})
    pressed = form_with(editors[0].get(page).text, "seen", **wanted)
    made(kind, name, {"title": "Third", **SPECS[kind]})
    told = editors[0].post(path, data=pressed.sent(do=do))
    assert told.status_code == 409, told.text
    assert "Nothing was done" in told.text
    assert "saved version 3" in told.text
    assert stored(world, kind, name)["spec"]["title"] == "Third"
    pressed = form_with(editors[0].get(page).text, "seen", **wanted)
    assert editors[0].post(path, data=pressed.sent(do=do)).status_code == 303
    found = stored(world, kind, name)
    assert found.get("spec", {}).get("title") == ("First" if do == "restore" else None)


@pytest.mark.parametrize("app", ["admin", "console"])
def test_a_profile_that_is_composed_twice_at_once(world, editors, made, name, app):
    one, other = editors
    path = f"/{app}/compose/{name}"
    made("profiles", name, SPECS["profiles"])
    mine = form_with(one.get(path).text, "tool.hub", do="save")
    theirs = form_with(other.get(path).text, "tool.hub", do="save").sent(do="save", **{"tool.hub": "whoami"})
    theirs.pop("all.hub", None)
    assert other.post(path, data=theirs).status_code == 303
    # A look at another server's tools in between does not make it seen.
    shown = one.post(path, data=mine.sent(do="show", add="new"))
    assert shown.status_code == 200
    told = one.post(path, data=form_with(shown.text, "tool.hub", do="save").sent(do="save"))
    assert told.status_code == 409
    assert "user:olga saved version 2" in told.text
    assert stored(world, "profiles", name)["spec"]["servers"]["hub"]["tools"] == ["whoami"]
    assert one.post(path, data=form_with(told.text, "tool.hub", do="save").sent(do="save")).status_code == 303
    assert {*stored(world, "profiles", name)["spec"]["servers"]} == {"hub", "new"}


def test_a_client_for_a_servers_sign_in_is_not_put_over_another(world, editors, made, name):
    one, other = editors
    far = {"url": "http://127.0.0.1:9/mcp", "allow_private": True, "auth": {"type": "oauth"}}
    made("servers", name, far)
    path = "/admin/oauth-clients"
    mine = form_with(one.get(path).text, "client_id").sent(server=name, client_id="mine", secret="my-secret")
    theirs = form_with(other.get(path).text, "client_id").sent(server=name, client_id="theirs")
    assert other.post(path, data=theirs).status_code == 303
    told = one.post(path, data=mine)
    assert told.status_code == 409, told.text
    for part in ("Somebody else changed this", "user:olga saved version 2", "<del>theirs</del>", 'value="mine"'):
        assert part in told.text, part
    with world.hub.client() as operator:
        assert f"{name}-oauth-client" not in operator.get("/api/v1/secrets").text  # their secret would be overwritten
    again = form_with(told.text, "client_id").sent(secret="my-secret")
    assert one.post(path, data=again).status_code == 303
    assert stored(world, "servers", name)["spec"]["auth"]["client_id"] == "mine"
    with world.hub.client() as operator:
        operator.delete(f"/api/v1/servers/{name}")
        assert operator.delete(f"/api/v1/secrets/{name}-oauth-client").status_code == 200


def test_a_secret_is_not_written_over_one_that_nobody_looked_at(world, editors):
    one, other = editors
    path, values = "/admin/secrets", {"name": "edited", "value": "a-value"}
    fresh = form_with(one.get(path).text, "value", "seen").sent(**values)
    assert other.post(path, data=form_with(other.get(path).text, "value", "seen").sent(**values)).status_code == 303
    told = one.post(path, data=fresh)
    assert told.status_code == 409
    assert "There is a vault:edited already" in told.text
    replaced = form_with(one.get(f"{path}?name=edited").text, "value", "seen").sent(value="another-value")
    assert (
        other.post(
            path, data=form_with(other.get(f"{path}?name=edited").text, "value", "seen").sent(value="x")
        ).status_code
        == 303
    )
    told = one.post(path, data=replaced)
    assert told.status_code == 409
    assert "was written since you looked" in told.text
    with world.hub.client() as operator:
        assert operator.delete("/api/v1/secrets/edited").status_code == 200


def test_a_step_of_the_wizard_makes_nothing_over_what_is_there(world, editors, made):
    made("teams", "edited", {"title": "Theirs"})
    path = "/admin/start?step=team"
    told = editors[0].post(path, data=form_with(editors[0].get(path).text, "title").sent(name="edited", title="Mine"))
    assert told.status_code == 422
    assert 'value="Mine"' in told.text
    assert stored(world, "teams", "edited")["spec"]["title"] == "Theirs"


@pytest.fixture
def owners(world, made):
    """Two owners of one team."""
    made("teams", "edited-team", {"models": ["*"]})
    for name in ("ed", "fay"):
        made("users", name, {"teams": {"edited-team": "owner"}})
    with world.signed_in("ed") as one, world.signed_in("fay") as other:
        yield one, other
    with world.hub.client() as operator:
        for name in ("ed", "fay"):
            operator.delete(f"/api/v1/users/{name}")


def test_where_a_teams_traces_go_is_not_changed_over_another(world, owners):
    one, other = owners
    path, there = "/console/traces", "https://collector.example.com/v1/traces"
    mine = form_with(one.get(path).text, "endpoint", team="edited-team").sent(endpoint=f"{there}/mine")
    theirs = form_with(other.get(path).text, "endpoint", team="edited-team").sent(endpoint=there)
    assert other.post(path, data=theirs).status_code == 303
    told = one.post(path, data=mine)
    assert told.status_code == 409
    for part in (
        "Somebody else changed this",
        "user:fay saved version 1",
        f"<del>{there}</del>",
        f'value="{there}/mine"',
    ):
        assert part in told.text, part
    assert one.post(path, data=form_with(told.text, "endpoint", team="edited-team").sent()).status_code == 303
    assert f"{there}/mine" in other.get(path).text
    stale = form_with(told.text, "endpoint", team="edited-team").sent()
    assert one.post(path, data={"do": "remove", "team": "edited-team"}).status_code == 303
    gone = other.post(path, data=stale)
    assert gone.status_code == 409
    assert "somebody has removed it since" in gone.text


def test_a_teams_key_for_a_provider_is_not_replaced_unseen(world, owners, made):
    one, other = owners
    made("providers", "edited-far", {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "allow_private": True})
    made("models", "edited-far", {"targets": [{"model": "edited-far/x"}]})
    path = "/console/connections"
    wait_for(lambda: "edited-far" in one.get(path).text)
    mine = form_with(one.get(path).text, "value", provider="edited-far", team="edited-team").sent(
        do="connect", value="a"
    )
    theirs = form_with(other.get(path).text, "value", provider="edited-far", team="edited-team").sent(
        do="connect", value="b"
    )
    assert other.post(path, data=theirs).status_code == 303
    told = one.post(path, data=mine)
    assert told.status_code == 409
    assert "user:fay has changed it since" in told.text
    again = form_with(told.text, "value", provider="edited-far", team="edited-team").sent(do="connect", value="a")
    assert one.post(path, data=again).status_code == 303
    assert one.post(path, data={"do": "remove", "provider": "edited-far", "team": "edited-team"}).status_code == 303
    with world.hub.client() as operator:
        assert operator.delete("/api/v1/models/edited-far").status_code == 200
