"""The repository: whole, atomic, versioned, and honest about who changed what."""

import asyncio
import time

import pytest
from sqlalchemy import text

from hub.core.refusal import Conflict, InvalidSpec, NotFound
from hub.identity import digest
from hub.store import Actor
from tests.unit.store.conftest import ANN

pytestmark = pytest.mark.anyio
FILE = "file:team.yaml"


async def test_a_resource_is_written_read_and_in_force_at_once(store):
    written = await store.resources.put("teams", "one", {"title": "One"}, ANN)
    assert (written.created, written.resource.version, written.resource.managed_by) == (True, 1, "api")
    assert store.resources.snapshot().teams["one"].title == "One"
    again = store.another()
    await again.load()
    assert again.snapshot().digest == store.resources.snapshot().digest


async def test_each_write_makes_a_version_that_can_be_restored(store):
    for title in "abc":
        await store.resources.put("teams", "one", {"title": title}, ANN)
    assert [v.spec["title"] for v in await store.resources.history("teams", "one")] == ["c", "b", "a"]
    restored = await store.resources.restore("teams", "one", 1, ANN)
    assert (restored.resource.version, restored.resource.spec) == (4, {"title": "a"})
    await store.resources.delete("teams", "one", ANN)
    assert (await store.resources.history("teams", "one"))[0].spec is None
    assert (await store.resources.restore("teams", "one", 3, ANN)).resource.version == 6
    with pytest.raises(NotFound):
        await store.resources.restore("teams", "one", 5, ANN)


async def test_writing_what_is_there_changes_nothing(store):
    await store.resources.put("teams", "one", {"title": "One"}, ANN)
    generation = store.resources.snapshot().generation
    assert (await store.resources.put("teams", "one", {"title": "One"}, ANN)).resource.version == 1
    assert store.resources.snapshot().generation == generation


async def test_the_second_of_two_editors_is_told(store):
    await store.resources.put("teams", "one", {}, ANN)
    await store.resources.put("teams", "one", {"title": "hers"}, ANN, expected_version=1)
    with pytest.raises(Conflict, match="is at version 2 and you changed version 1") as caught:
        await store.resources.put("teams", "one", {"title": "his"}, ANN, expected_version=1)
    assert caught.value.code == "version_conflict"
    with pytest.raises(Conflict) as caught:
        await store.resources.put("teams", "one", {}, ANN, expected_version=0)
    assert caught.value.code == "already_exists"
    with pytest.raises(Conflict):
        await store.resources.delete("teams", "one", ANN, expected_version=1)


async def test_an_apply_is_all_or_nothing(store):
    before = store.resources.snapshot()
    with pytest.raises(InvalidSpec) as caught:
        await store.resources.apply({"teams": {"one": {}}, "keys": {"k": {"team": "two"}}}, ANN)
    assert [fault.path for fault in caught.value.faults] == ["keys.k.team"]
    assert store.resources.snapshot() is before
    assert (await store.resources.audit(limit=10))[0] == []
    changes = await store.resources.apply({"teams": {"one": {}}, "keys": {"k": {"team": "one"}}}, ANN)
    assert [(c.kind, c.name, c.action) for c in changes] == [("teams", "one", "create"), ("keys", "k", "create")]
    assert store.resources.snapshot().generation == before.generation + 1


async def test_a_dry_run_says_the_same_and_writes_nothing(store):
    wanted = {"teams": {"one": {"title": "One"}}}
    foreseen = await store.resources.diff(wanted, ANN, source=FILE)
    assert await store.resources.find("teams", "one") is None
    assert foreseen == await store.resources.apply(wanted, ANN, source=FILE)
    assert await store.resources.diff(wanted, ANN, source=FILE) == []
    with pytest.raises(InvalidSpec):
        await store.resources.diff({"keys": {"k": {"team": "nobody"}}}, ANN)


async def test_what_a_file_manages_is_read_only_elsewhere(store):
    await store.resources.put("teams", "one", {}, ANN)
    (change,) = await store.resources.apply({"teams": {"one": {}}}, ANN, source=FILE)
    assert change.diff == [{"path": "managed_by", "op": "change", "old": "api", "new": FILE}]
    for act in (store.resources.put("teams", "one", {"title": "x"}, ANN), store.resources.delete("teams", "one", ANN)):
        with pytest.raises(Conflict, match=r"team\.yaml") as caught:
            await act
        assert caught.value.code == "managed_by_file"
    assert await store.resources.apply({"teams": {"one": {"title": "x"}}}, ANN, source=FILE)


async def test_prune_deletes_only_what_the_same_file_managed(store):
    await store.resources.put("teams", "mine", {}, ANN)
    await store.resources.apply({"teams": {"a": {}, "b": {}}}, ANN, source=FILE)
    changes = await store.resources.apply({"teams": {"a": {}}}, ANN, source=FILE, prune=True)
    assert [(c.name, c.action) for c in changes] == [("b", "delete")]
    assert set(store.resources.snapshot().teams) == {"a", "mine"}


async def test_what_is_used_cannot_be_deleted_and_the_user_is_named(store):
    await store.resources.apply({"teams": {"one": {}}, "keys": {"k": {"team": "one"}}}, ANN)
    with pytest.raises(InvalidSpec, match="keys.k.team"):
        await store.resources.delete("teams", "one", ANN)


async def test_listeners_hear_of_each_swap(store):
    heard = []
    store.resources.on_change(lambda old, new: heard.append((old.generation, new.generation)))
    await store.resources.put("teams", "one", {}, ANN)
    assert heard == [(0, 1)]


async def test_an_export_applied_to_an_empty_hub_is_the_same_snapshot(store, tmp_path):
    await store.resources.apply(
        {
            "providers": {"openai": {"kind": "openai", "api_key": "env:GOOD"}},
            "models": {"fast": {"targets": [{"model": "openai/gpt-5-mini"}], "price": {"input": "0.10"}}},
            "servers": {"time": {"command": ["mcp-server-time"], "env": {"TZ": "UTC"}}},
            "profiles": {"p": {"servers": {"time": {"tools": ["get_*"], "rename": {"a": "b"}}}}},
            "teams": {"t": {"models": ["fast"]}},
            "users": {"u": {"teams": {"t": "owner"}}},
            "keys": {"k": {"team": "t", "secret": "env:GOOD", "expires_at": "2030-01-01T00:00:00+00:00"}},
            "budgets": {"b": {"scope": {"team": "t"}, "usd": 5}},
            "limits": {"l": {"scope": {"org": True}, "rpm": 5}},
            "guardrails": {"g": {"scope": {"org": True}, "on": ["input"], "words": ["x"]}},
            "announcements": {"a": {"title": "Hello"}},
            "exports": {"e": {}},
            "routes": {"r": {"targets": [{"model": "openai/gpt-5-mini"}]}},
        },
        ANN,
    )
    exported = await store.resources.export()
    assert len(exported) == 13
    digest_before = store.resources.snapshot().digest
    async with store.engine.begin() as connection:
        for table in ("resource", "resource_version", "key_secret"):
            await connection.execute(text(f"DELETE FROM {table}"))
    empty = store.another()
    await empty.load()
    assert empty.snapshot().digest != digest_before
    await empty.apply(exported, ANN)
    assert empty.snapshot().digest == digest_before


async def test_two_replicas_never_overwrite_each_other_and_follow(store):
    other = store.another()
    await other.load()
    await asyncio.gather(
        *(store.resources.put("teams", f"a{n}", {}, ANN) for n in range(5)),
        *(other.put("teams", f"b{n}", {}, ANN) for n in range(5)),
    )
    follower = asyncio.ensure_future(store.resources.follow())
    try:
        async with asyncio.timeout(10):
            while len(store.resources.snapshot().teams) < 10:
                await asyncio.sleep(0.05)
    finally:
        follower.cancel()
    assert (await store.resources.verify_audit()).ok


# -- keys ------------------------------------------------------------------------------------------------------------


def grant(resources, credential):
    return resources.snapshot().keys.get(digest(credential))


async def test_a_made_key_is_shown_once_and_only_its_hash_is_kept(store):
    written = await store.resources.put("keys", "k", {}, ANN)
    assert grant(store.resources, written.secret).key == "k"
    assert (await store.resources.put("keys", "k", {"title": "K"}, ANN)).secret is None
    assert grant(store.resources, written.secret).key == "k"
    async with store.engine.connect() as connection:
        for table in ("key_secret", "resource", "resource_version", "audit"):
            for row in (await connection.execute(text(f"SELECT * FROM {table}"))).all():
                assert written.secret not in repr(row)
    (secret,) = store.resources.secrets_of("k")
    assert secret.last_four == written.secret[-4:]


async def test_a_rotated_key_overlaps_as_long_as_was_said(store):
    old = (await store.resources.put("keys", "k", {}, ANN)).secret
    new = await store.resources.rotate_key("k", ANN, overlap_seconds=60)
    assert grant(store.resources, new).ends_at is None
    assert grant(store.resources, old).ends_at == pytest.approx(time.time() + 60, abs=5)
    newest = await store.resources.rotate_key("k", ANN)
    assert grant(store.resources, new).ends_at <= time.time()
    assert grant(store.resources, newest).ends_at is None


async def test_a_revoked_key_is_gone_at_once_and_stays_gone(store):
    old = (await store.resources.put("keys", "k", {}, ANN)).secret
    await store.resources.revoke_key("k", ANN)
    assert grant(store.resources, old) is None
    again = store.another()
    await again.load()
    assert grant(again, old) is None
    rows, _ = await store.resources.audit(limit=1)
    assert (rows[0].action, rows[0].name) == ("revoke", "k")


async def test_a_deleted_key_does_not_come_back_with_its_old_secret(store):
    old = (await store.resources.put("keys", "k", {}, ANN)).secret
    await store.resources.delete("keys", "k", ANN)
    new = (await store.resources.put("keys", "k", {}, ANN)).secret
    assert grant(store.resources, old) is None
    assert grant(store.resources, new)


async def test_a_given_secret_is_long_its_own_and_not_rotated_here(store):
    await store.resources.put("keys", "k", {"secret": "env:GOOD"}, ANN)
    assert grant(store.resources, "x" * 40).key == "k"
    for spec, words in ({"secret": "env:SHORT"}, "shorter than 32"), ({"secret": "env:NONE"}, "not set"):
        with pytest.raises(InvalidSpec, match=words):
            await store.resources.put("keys", "other", spec, ANN)
    with pytest.raises(InvalidSpec, match="same secret"):
        await store.resources.put("keys", "other", {"secret": "env:GOOD"}, ANN)
    with pytest.raises(InvalidSpec, match="change it there"):
        await store.resources.rotate_key("k", ANN)
    await store.resources.revoke_key("k", ANN)
    assert grant(store.resources, "x" * 40) is None


# -- audit -----------------------------------------------------------------------------------------------------------


async def test_every_change_leaves_one_row_with_its_difference(store):
    await store.resources.put("teams", "one", {"title": "One"}, ANN)
    await store.resources.put("teams", "one", {"title": "Uno", "models": ["*"]}, ANN)
    await store.resources.delete("teams", "one", ANN)
    rows, _ = await store.resources.audit(limit=10)
    assert [(row.actor, row.address, row.action, row.version) for row in rows] == [
        ("user:ann", "127.0.0.1", "delete", 3),
        ("user:ann", "127.0.0.1", "change", 2),
        ("user:ann", "127.0.0.1", "create", 1),
    ]
    assert rows[1].diff == [
        {"path": "models", "op": "add", "new": ["*"]},
        {"path": "title", "op": "change", "old": "One", "new": "Uno"},
    ]


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audit SET actor = 'user:eve' WHERE id = 2",
        "UPDATE audit SET diff = '[]' WHERE id = 1",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit WHERE id = 4",
        "DELETE FROM audit",
        "UPDATE audit SET hash = previous WHERE id = 3",
    ],
)
async def test_the_chain_notices_any_change(store, tamper):
    for n in range(4):
        await store.resources.put("teams", f"t{n}", {"title": "T"}, ANN)
    report = await store.resources.verify_audit()
    assert (report.ok, report.rows) == (True, 4)
    async with store.engine.begin() as connection:
        await connection.execute(text(tamper))
    report = await store.resources.verify_audit()
    assert not report.ok
    assert report.fault


async def test_what_was_walked_is_not_walked_again_and_new_rows_are(store):
    for n in range(3):
        await store.resources.put("teams", f"t{n}", {"title": "T"}, ANN)
    assert (await store.resources.verify_new_audit()).rows == 3
    await store.resources.put("teams", "t3", {"title": "T"}, ANN)
    assert (await store.resources.verify_new_audit()).rows == 4
    async with store.engine.begin() as connection:
        await connection.execute(text("UPDATE audit SET actor = 'user:eve' WHERE id = 2"))
    assert (await store.resources.verify_new_audit()).ok  # an older row: only the whole walk looks at it
    assert not (await store.resources.verify_audit()).ok
    for tamper in ("UPDATE audit SET hash = previous WHERE id = 4", "DELETE FROM audit"):
        async with store.engine.begin() as connection:
            await connection.execute(text(tamper))
        assert not (await store.resources.verify_new_audit()).ok


async def test_a_change_that_cannot_be_audited_is_not_made(store):
    async with store.engine.begin() as connection:
        await connection.execute(text("DROP TABLE audit"))
    with pytest.raises(Exception, match="audit"):
        await store.resources.put("teams", "one", {}, ANN)
    again = store.another()
    await again.load()
    assert again.snapshot().teams == {}


async def test_audit_pages_and_filters(store):
    for n in range(5):
        await store.resources.put("teams", f"t{n}", {}, ANN)
    await store.resources.note(Actor("key:ci"), "denied", "PUT /api/v1/users/x")
    first, cursor = await store.resources.audit(limit=4)
    rest, end = await store.resources.audit(limit=4, cursor=cursor)
    assert [row.id for row in first + rest] == [6, 5, 4, 3, 2, 1]
    assert end is None
    assert [row.name for row in (await store.resources.audit(limit=9, kind="teams", name="t3"))[0]] == ["t3"]
    assert [row.detail for row in (await store.resources.audit(limit=9, actor="key:ci"))[0]] == ["PUT /api/v1/users/x"]


async def test_what_is_done_to_a_resource_without_changing_it_is_found_by_it(store):
    await store.resources.put("users", "ann", {}, ANN)
    await store.resources.note(ANN, "password-set", detail="users/ann", of=("users", "ann"))
    await store.resources.note(ANN, "sign-in")
    rows = (await store.resources.audit(limit=9, kind="users", name="ann"))[0]
    assert [(row.action, row.version) for row in rows] == [("password-set", 0), ("create", 1)]
    assert (await store.resources.verify_audit()).ok
