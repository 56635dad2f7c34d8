"""What lies on the disk: the folder, the schema, the vault, sign-ins."""

import asyncio
import os
import subprocess
import sys
import time

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text, update

from hub.core.refusal import Refusal, Unavailable
from hub.core.seals import Broken, Seals
from hub.ledger import Filters, Queries, Rollups
from hub.ledger.sink import Sink
from hub.store import Browser, Database, DataFolder, SchemaTooNew, ServerSnapshots, SignIns, Vault
from hub.store.migrating import configuration
from hub.store.tables import SignInRow, metadata
from hub.store.transactions import writing
from hub.store.vault import KEPT_SECONDS, KeyRing
from tests.support.ledger import entry
from tests.unit.store.conftest import ANN

pytestmark = pytest.mark.anyio


def test_the_folder_is_private_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        with DataFolder(tmp_path / "data") as folder:
            KeyRing.load(folder.path / "vault.key")
            assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
            assert (tmp_path / "data" / "vault.key").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


def test_two_hubs_never_share_a_folder(tmp_path):
    hold = f"import time; from pathlib import Path; from hub.store import DataFolder\nwith DataFolder(Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(Refusal, match=rf"process {other.pid}\) uses .*another --data") as caught,
            DataFolder(tmp_path),
        ):
            pass
        assert caught.value.code == "data_locked"
    finally:
        other.kill()
        other.communicate()
    with DataFolder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="cannot be used"), DataFolder(tmp_path / "file" / "below"):
        pass


def test_a_key_ring_that_others_can_read_is_refused(tmp_path):
    KeyRing.load(tmp_path / "vault.key")
    (tmp_path / "vault.key").chmod(0o644)
    with pytest.raises(Refusal, match="chmod 600"):
        KeyRing.load(tmp_path / "vault.key")
    (tmp_path / "vault.key").write_text("{}")
    (tmp_path / "vault.key").chmod(0o600)
    with pytest.raises(Refusal, match="backup"):
        KeyRing.load(tmp_path / "vault.key")


def described(sync):
    """All that a database says of its tables, whatever the order of their columns, and what they hold."""
    found, looks = {}, inspect(sync)
    for table in looks.get_table_names():
        found[table] = {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"]) for one in looks.get_columns(table)
            },
            "key": looks.get_pk_constraint(table)["constrained_columns"],
            "indexes": sorted(
                (
                    one["name"],
                    one["unique"],
                    one["column_names"],
                    *(str(o).replace('"', "") for o in one["dialect_options"].values()),
                )
                for one in looks.get_indexes(table)
            ),
            "unique": sorted(map(repr, looks.get_unique_constraints(table))),
            "checks": sorted(map(repr, looks.get_check_constraints(table))),
            "foreign": sorted(map(repr, looks.get_foreign_keys(table))),
            "rows": [row._asdict() for row in sync.execute(text(f'SELECT * FROM "{table}"'))],
        }
    return found


async def test_a_new_database_is_what_the_migrations_make_both_ways(url):
    async with Database.open(url) as engine, engine.begin() as connection:

        def check(sync):
            made = described(sync)
            assert set(made) == {"alembic_version", *metadata.tables}
            assert compare_metadata(MigrationContext.configure(sync), metadata) == []
            command.downgrade(configuration(sync), "base")
            assert set(inspect(sync).get_table_names()) <= {"alembic_version"}
            command.upgrade(configuration(sync), "head")
            assert compare_metadata(MigrationContext.configure(sync), metadata) == []
            assert described(sync) == made

        await connection.run_sync(check)


async def test_hours_with_entries_are_timed_after_the_upgrade_and_the_others_say_that_they_are_not(url):
    async with Database.open(url) as engine:
        ends = [entry(n, at=n * 86_400_000_000, model=f"m{n}", duration_ms=100.0) for n in range(3)]
        await Sink(engine, engine, ()).write(ends)
        await Rollups(engine).purge(86_400_000_000)
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(configuration(sync), "0010"))
    async with Database.open(url) as engine:
        queries = Queries(engine)
        for _ in range(2):  # before and after the hours are summed anew
            rows = {row.group["model"]: row for row in await queries.usage(group_by=("model",), timed=True)}
            assert (rows["m0"].calls, rows["m0"].duration, rows["m0"].untimed) == (1, None, 1)
            for model in ("m1", "m2"):
                assert (rows[model].calls, rows[model].untimed) == (1, 0)
                assert 94 < rows[model].duration.p50 < 106
            assert await Rollups(engine).refresh() in (4, 0)


async def test_entries_from_before_the_upgrade_are_found_by_their_tags(url):
    async with Database.open(url) as engine:
        made = [entry(1, tags={"env": "prod", "run": "7"}), entry(2), entry(3, tags={"env": "a \"b\" 'c'"})]
        await Sink(engine, engine, ()).write(made)
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(configuration(sync), "0012"))
    async with Database.open(url) as engine:
        for tag, found in (("env=prod", 1), ("run=7", 1), ("env=a \"b\" 'c'", 3)):
            page = await Queries(engine).logs(Filters(tag=tag))
            assert [int(one.id) for one in page.items] == [found]


async def test_a_newer_schema_is_refused_with_the_way_out(url):
    async with Database.open(url) as engine, engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="a newer hub wrote it") as caught:
        async with Database.open(url):
            pass
    assert caught.value.exit_status == 3


async def test_opening_twice_migrates_once(url):
    for _ in range(2):
        async with Database.open(url) as engine, engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM state"))).scalar() == 1


async def test_secrets_go_in_and_come_out_for_the_hub_alone(store):
    await store.vault.put("openai", "sk-canary-1", ANN)
    await store.vault.put("openai", "sk-canary-2", ANN)
    assert await store.vault.get("openai") == "sk-canary-2"
    assert await store.vault.names() == ["openai"]
    assert await store.secrets.resolve("vault:openai") == "sk-canary-2"
    async with store.engine.connect() as connection:
        for table in ("vault_secret", "audit"):
            assert "canary" not in repr((await connection.execute(text(f"SELECT * FROM {table}"))).all())
    with pytest.raises(Refusal, match="hub secret set none"):
        await store.vault.get("none")


async def test_a_row_cannot_take_anothers_place(store):
    await store.vault.put("a", "secret a", ANN)
    await store.vault.put("b", "secret b", ANN)
    async with store.engine.begin() as connection:
        swap = "UPDATE vault_secret SET nonce = (SELECT nonce FROM vault_secret WHERE name = 'b'), ciphertext = (SELECT ciphertext FROM vault_secret WHERE name = 'b') WHERE name = 'a'"
        await connection.execute(text(swap))
    with pytest.raises(Refusal) as caught:
        await store.vault.get("a")
    assert caught.value.code == "vault_damaged"


async def test_rotation_wraps_everything_anew_and_can_be_taken_up_again(store, tmp_path):
    for n in range(5):
        await store.vault.put(f"s{n}", f"secret {n}", ANN)
    old = KeyRing.load(tmp_path / "vault.key")
    # A rotation that died half way: the new key is on disk, some rows use it.
    half = Vault(store.engine, tmp_path / "vault.key", store.audit)
    half._ring = half._ring.with_new()
    half._ring.save(tmp_path / "vault.key")
    await half.put("s0", "secret 0", ANN)
    after = Vault(store.engine, tmp_path / "vault.key", store.audit)
    assert await after.get("s0") == "secret 0"
    assert await after.get("s4") == "secret 4"
    assert await after.rotate() == 5
    ring = KeyRing.load(tmp_path / "vault.key")
    assert ring.keys[0] not in old.keys
    assert ring.keys[2:] == old.keys
    assert [await after.get(f"s{n}") for n in range(5)] == [f"secret {n}" for n in range(5)]


async def test_a_key_leaves_the_ring_when_nothing_uses_it_and_what_clients_keep_under_it_has_ended(store, tmp_path):
    await store.vault.put("s", "secret", ANN)
    for later, left in ((0, 2), (KEPT_SECONDS - 60, 3), (KEPT_SECONDS + 60, 1)):
        vault = Vault(store.engine, tmp_path / "vault.key", store.audit, lambda later=later: time.time() + later)
        await vault.rotate()  # keys are made now, whatever the vault takes the time to be
        assert len(KeyRing.load(tmp_path / "vault.key").keys) == left
        assert await vault.get("s") == "secret"


async def test_what_clients_keep_opens_after_a_rotation_and_a_restart(store, tmp_path):
    before = Seals(store.vault.keys("mcp"))
    kept = before.seal(b"mine", "state", 60)
    await store.vault.rotate()
    restarted = Seals(Vault(store.engine, tmp_path / "vault.key", store.audit).keys("mcp"))
    assert restarted.open(b"mine", kept) == "state"
    assert before.open(b"mine", restarted.seal(b"mine", "new", 60)) == "new"
    assert Seals(store.vault.keys("oauth")).name(b"", "x") != before.name(b"", "x")


async def test_a_rotation_by_another_process_is_seen_within_a_second(store, tmp_path):
    now = 1000.0
    other = Vault(store.engine, tmp_path / "vault.key", store.audit, lambda: now)
    seals = Seals(other.keys("mcp"))
    assert await store.vault.rotate() == 0
    kept = Seals(store.vault.keys("mcp")).seal(b"mine", "state", 1e9)
    await store.vault.put("s", "secret", ANN)
    sealed = store.vault.seal(b"body", "place")
    with pytest.raises(Broken):
        seals.open(b"mine", kept)
    now += 1.1
    assert seals.open(b"mine", kept) == "state"
    for read in (other, Vault(store.engine, tmp_path / "vault.key", store.audit)):
        await store.vault.rotate()
        assert (await read.get("s"), read.unseal(sealed, "place")) == ("secret", b"body")
    (tmp_path / "vault.key").write_text("{}")
    now += 1.1
    assert seals.open(b"mine", kept) == "state"  # a ring that is none changes nothing


async def test_file_secrets_are_read_and_bounded(store, tmp_path):
    (tmp_path / "good").write_text("secret\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "big").write_bytes(b"x" * 70_000)
    assert await store.secrets.resolve(f"file:{tmp_path / 'good'}") == "secret"
    for name in ("empty", "big", "none"):
        with pytest.raises(Refusal, match=f"file:.*{name}"):
            await store.secrets.resolve(f"file:{tmp_path / name}")


async def test_a_link_works_once_and_a_sign_in_ends(store):
    now = 1000.0
    sign_ins = SignIns(store.engine, now=lambda: now)
    token, _ = await sign_ins.make_link("ann", seconds=60)
    signed_in = await sign_ins.redeem(token)
    assert signed_in.user == "ann"
    assert await sign_ins.redeem(token) is None
    assert await sign_ins.user_of(signed_in.token) == "ann"
    assert await sign_ins.user_of(token) is None
    assert await sign_ins.user_of("x" * 100_000) is None
    now += 29 * 60
    assert await sign_ins.user_of(signed_in.token) == "ann"
    now += 30 * 60
    assert await sign_ins.user_of(signed_in.token) is None, "idle for half an hour"
    late, _ = await sign_ins.make_link("ann", seconds=60)
    now += 61
    assert await sign_ins.redeem(late) is None
    again, _ = await sign_ins.make_link("ann")
    signed_in = await sign_ins.redeem(again)
    await sign_ins.end(signed_in.token)
    assert await sign_ins.user_of(signed_in.token) is None


async def test_a_sign_in_lasts_twelve_hours_at_most_and_can_be_listed_and_ended(store):
    now = 1000.0
    sign_ins = SignIns(store.engine, now=lambda: now)
    mine = await sign_ins.open("eve", Browser("192.0.2.1", "Firefox"))
    other = await sign_ins.open("eve")
    (_, listed) = sorted(await sign_ins.of("eve"), key=lambda each: each.address)
    assert (listed.address, listed.agent) == ("192.0.2.1", "Firefox")
    assert not await sign_ins.end_one("ann", listed.id), "somebody else's"
    assert await sign_ins.end_one("eve", listed.id)
    assert await sign_ins.user_of(mine.token) is None
    for _ in range(24):
        assert await sign_ins.user_of(other.token) == "eve"
        now += 29 * 60
    now += 24 * 60
    assert await sign_ins.user_of(other.token) is None


async def test_no_page_waits_until_it_is_written_that_its_browser_was_here(store):
    now = 1000.0
    async with SignIns(store.engine, now=lambda: now) as sign_ins:
        opened = await sign_ins.open("ann")
        async with store.engine.begin() as busy:  # the ledger writes, and takes its time
            await busy.execute(update(SignInRow.__table__).values(agent="busy"))
            for _ in range(3):
                now += 25 * 60
                async with asyncio.timeout(5):
                    users = await asyncio.gather(*(sign_ins.user_of(opened.token) for _ in range(20)))
                assert set(users) == {"ann"}
        async with asyncio.timeout(20):
            while [each.seen_at for each in await sign_ins.of("ann")] != [now]:
                await asyncio.sleep(0.02)
        assert await sign_ins.user_of(opened.token) == "ann"


async def test_who_writes_seldom_is_not_late_while_somebody_always_writes(tmp_path, monkeypatch):
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}") as engine:
        written = 0

        async def always():
            nonlocal written
            while True:
                async with writing(engine) as connection:
                    await connection.execute(update(SignInRow.__table__).values(agent="busy"))
                written += 1

        busy = [asyncio.create_task(always()) for _ in range(3)]
        try:
            for _ in range(10):
                before = written
                async with writing(engine):
                    assert written - before <= 4, "who came before, and no one else"
                await asyncio.sleep(0.01)
        finally:
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)
        monkeypatch.setattr("hub.store.transactions._PATIENCE_SECONDS", 0.05)
        async with writing(engine):
            with pytest.raises(Unavailable, match="others write to it"):
                async with writing(engine):
                    pass
        async with writing(engine):
            pass


async def test_server_snapshots_are_kept(store):
    snapshots = ServerSnapshots(store.engine)
    await snapshots.save("time", b"1")
    await snapshots.save("time", b"2")
    assert await snapshots.load() == {"time": b"2"}
