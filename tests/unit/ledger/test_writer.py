"""From the spool to the database: everything, once, whatever goes wrong on the way. On SQLite and PostgreSQL."""

import asyncio
from functools import partial

import pytest
from sqlalchemy.exc import OperationalError

from hub.core.entry import Finding
from hub.core.usage import Usage
from hub.ledger import Ledger, Queries, Spool, Writer
from hub.ledger import reading as reading_module
from hub.ledger import segment as segment_module
from hub.ledger import writer as writer_module
from hub.ledger.frames import CLOSE, OPEN, frame
from hub.ledger.rows import ENTRY, ENTRY_COLUMNS, to_entry, to_row
from hub.ledger.segment import left_behind
from hub.ledger.sink import Sink
from tests.support.ledger import CI, count, entry, model_call, tool_call, until

pytestmark = pytest.mark.anyio


def make(folder, engine, **options):
    spool = Spool(folder / "spool", **{name: options.pop(name) for name in ("segment_bytes",) if name in options})
    writer = Writer(spool, engine, **options)
    return Ledger(spool, writer), spool, writer


async def call(ledger, **settled):
    async with ledger.record(CI, model_call()) as record:
        await record.reserve(Usage(input=10), None)
        record.settle(Usage(input=10), settled.get("cost", 7))
    return record.id


async def test_rows_hold_whole_entries(engine):
    one = entry(
        1, user="ann", team="t", request_id="r", session="s", tags={"a": "b\u00e9"}, agent="x", dialect="d", lane="l",
        model="m", target="p/m", provider="p", profile="f", server="v", tool="o", stream=True, code="c", error="e",
        usage=Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, True), cost_micro_usd=2**40, price_version="v", ttft_ms=1.5,
        duration_ms=2.5, request_bytes=2**33, response_bytes=4, dropped=("x",), findings=(Finding("pii"),),
    )  # fmt: skip
    assert to_entry(dict(zip(ENTRY_COLUMNS, to_row(one, 7), strict=True))) == one
    await Sink(engine, engine, ()).write([one, entry(2)])
    assert await Queries(engine).entry(one.id) == one
    assert await Queries(engine).entry(entry(2).id) == entry(2)
    assert {column.name for column in ENTRY.columns} == set(ENTRY_COLUMNS)
    assert to_row(one, 7)[-1] == 7


async def test_entries_arrive_by_themselves(tmp_path, engine):
    ledger, _, _ = make(tmp_path, engine, interval=0.01)
    async with ledger:
        made = await call(ledger)
        await until(lambda: Queries(engine).entry(made))


async def test_flush_reads_your_writes_and_the_end_leaves_nothing(tmp_path, engine):
    ledger, spool, _ = make(tmp_path, engine, interval=60)
    async with ledger:
        ids = [await call(ledger) for _ in range(20)]
        await ledger.flush()
        assert await count(engine) == 20
        ids += [await call(ledger) for _ in range(20)]
    assert await count(engine) == len(set(ids)) == 40
    assert left_behind(spool.folder) == []


async def test_a_long_segment_takes_several_batches(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(reading_module, "BATCH_BYTES", 4000)
    ledger, spool, _ = make(tmp_path, engine, interval=60)
    async with ledger:
        for _ in range(60):
            await call(ledger)
        assert spool.waiting_bytes > 20_000
        spool.segments()[0].kept = None  # it has to be read back
        await ledger.flush()
        assert await count(engine) == 60
        assert spool.waiting_bytes == 0


async def test_small_segments_are_drained_and_deleted(tmp_path, engine):
    ledger, spool, _ = make(tmp_path, engine, interval=0.01, segment_bytes=2000)
    async with ledger:
        async with ledger.record(CI, tool_call()):
            for _ in range(50):
                await call(ledger)

            async def drained():
                return len(spool.segments()) == 1 and await count(engine) == 50

            await until(drained)
        await ledger.flush()
        assert await count(engine) == 51


async def test_many_drains_at_once_never_double(tmp_path, engine):
    told = []

    async def listen(entries):
        told.extend(one.id for one in entries)

    ledger, _, _ = make(tmp_path, engine, interval=0.001, segment_bytes=3000, on_written=[listen])
    async with ledger:

        async def work():
            for _ in range(10):
                await call(ledger)
                await ledger.flush()

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(work())
    assert await count(engine) == 80
    assert len(told) == len(set(told)) == 80


async def test_two_writers_of_the_same_segments_never_double(tmp_path, engine):
    ledger, spool, _ = make(tmp_path, engine, interval=60)
    async with ledger:
        for _ in range(30):
            await call(ledger)
        copy = [path.read_bytes() for path in left_behind(spool.folder)]
    for number, data in enumerate(copy):  # what a crash before the deletion leaves
        (spool.folder / f"{number + 1:012d}.spool").write_bytes(data)
    told = []

    async def listen(entries):
        told.extend(one.outcome for one in entries)

    again, spool, _ = make(tmp_path, engine, on_written=[listen])
    async with again:
        await again.flush()
        assert await count(engine) == 30
    assert list(spool.folder.iterdir()) == []  # nothing left, nothing rejected
    assert told == ["ok"] * 30  # at least once; and no call that ended is taken for a running one


async def test_calls_that_were_running_become_interrupted(tmp_path, engine):
    folder = tmp_path / "spool"
    folder.mkdir()
    ledger, spool, _ = make(tmp_path / "first", engine)
    async with ledger, ledger.record(CI, model_call()) as running:
        await running.reserve(Usage(), None)
        done = await call(ledger)
        async with ledger.record(CI, model_call()) as priced:
            await priced.reserve(Usage(input=5, output=100), 99, "v1")
            for path in left_behind(spool.folder):  # as a kill would leave it
                (folder / path.name).write_bytes(path.read_bytes() + b"C000000ff00000000 {torn")
    async with engine.begin() as connection:
        await connection.execute(ENTRY.delete())
    ledger, spool, writer = make(tmp_path, engine)
    async with ledger:
        await ledger.flush()
        assert writer.recovered
        queries = Queries(engine)
        assert (await queries.entry(done)).outcome == "ok"
        lost = await queries.entry(running.id)
        assert (lost.outcome, lost.status, lost.code, lost.usage.estimated, lost.cost_micro_usd) == (
            "interrupted", 0, "interrupted", True, None,
        )  # fmt: skip
        lost = await queries.entry(priced.id)
        assert (lost.usage.output, lost.usage.estimated, lost.cost_micro_usd) == (100, True, 99)
        assert await count(engine) == 3
    assert left_behind(folder) == []


async def test_an_interrupted_guess_never_replaces_the_truth(tmp_path, engine):
    one = entry(1)
    await Sink(engine, engine, ()).write([one])
    folder = tmp_path / "spool"
    folder.mkdir()
    ledger, _, _ = make(tmp_path, engine)
    stale = b'{"id":"%b","at":1,"call":"model","principal":"p","outcome":"interrupted","status":0}' % one.id.encode()
    (folder / "000000000001.spool").write_bytes(frame(OPEN, stale))
    async with ledger:
        await ledger.flush()
    assert await Queries(engine).entry(one.id) == one


async def test_a_database_that_is_away_loses_nothing(tmp_path, engine):
    ledger, _, writer = make(tmp_path, engine, interval=0.01, segment_bytes=5000)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE entry RENAME TO away")
    async with ledger:
        for _ in range(50):
            await call(ledger)

        await until(lambda: writer.trouble)
        assert ledger.trouble
        assert ledger.accepts
        with pytest.raises(Exception, match="entry"):
            await ledger.flush()
        for _ in range(50):
            await call(ledger)  # calls go on
        async with engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO entry")

        async def arrived():
            return await count(engine) == 100

        await until(arrived)
        await until(lambda: not writer.trouble)


async def test_while_the_database_is_away_only_one_batch_is_read(tmp_path, engine, monkeypatch):
    reads = []
    real = writer_module.read_batch

    def read_batch(path, start, size):
        reads.append((path.name, start))
        return real(path, start, size)

    monkeypatch.setattr(writer_module, "read_batch", read_batch)
    ledger, _, writer = make(tmp_path, engine, interval=60, segment_bytes=5000)
    monkeypatch.setattr(writer._sink, "write", _refuse)
    async with ledger:
        for _ in range(200):
            await call(ledger)
        for _ in range(5):
            with pytest.raises(OperationalError):
                await ledger.flush()
        assert len(set(reads)) == 1
        monkeypatch.undo()


async def _refuse(entries):
    raise OperationalError("INSERT", {}, Exception("away"))


async def test_shutting_down_without_a_database_keeps_everything_for_the_next_start(tmp_path, engine):
    ledger, spool, writer = make(tmp_path, engine, interval=0.01, grace=0.3)
    writer._sink.write = _refuse
    async with ledger:
        for _ in range(10):
            await call(ledger)
    assert left_behind(spool.folder)
    assert await count(engine) == 0
    again, _, _ = make(tmp_path, engine)
    async with again:
        await again.flush()
    assert await count(engine) == 10


async def test_one_row_that_no_database_takes_does_not_stop_the_others(tmp_path, engine):
    sink = Sink(engine, tmp_path / "rejected.jsonl", ())
    poison = entry(3, duration_ms=1.0, at=2**70)
    await sink.write([entry(1), entry(2), poison, entry(4)])
    assert await count(engine) == 3
    assert poison.id in (tmp_path / "rejected.jsonl").read_text()
    assert (tmp_path / "rejected.jsonl").stat().st_mode & 0o777 == 0o600


async def test_nul_is_poison_on_postgresql_and_never_gets_that_far(tmp_path, engine):
    ledger, spool, _ = make(tmp_path, engine)
    async with ledger:
        async with ledger.record(CI, model_call(model="a\x00b")) as record:
            pass
        await ledger.flush()
        assert (await Queries(engine).entry(record.id)).model == "a\ufffdb"
        assert not (spool.folder / "rejected.jsonl").exists()


async def test_an_entry_of_a_newer_hub_is_kept_aside(tmp_path, engine):
    folder = tmp_path / "spool"
    folder.mkdir()
    known = b'{"id":"a","at":1,"call":"model","principal":"p","outcome":"ok","status":200,"new_field":1}'
    unknown = b'{"id":{"v":2}}'
    (folder / "000000000007.spool").write_bytes(frame(CLOSE, unknown) + frame(CLOSE, known))
    ledger, _, _ = make(tmp_path, engine)
    async with ledger:
        await ledger.flush()
    assert await count(engine) == 1
    assert (folder / "rejected.jsonl").read_bytes() == unknown + b"\n"


async def test_damage_in_the_middle_costs_only_what_was_hit(tmp_path, engine):
    ledger, spool, writer = make(tmp_path, engine, interval=60, grace=0.1)
    writer._sink.write = _refuse
    async with ledger:
        for _ in range(10):
            await call(ledger)
    path = left_behind(spool.folder)[0]
    data = bytearray(path.read_bytes())
    lines = data.split(b"\n")
    place = sum(len(line) + 1 for line in lines[:9]) + 30  # in the close of the fifth call
    data[place] ^= 0xFF
    path.write_bytes(data)
    again, _, _ = make(tmp_path, engine)
    async with again:
        await again.flush()
    assert await count(engine, "outcome='ok'") == 9
    assert await count(engine, "outcome='interrupted'") == 1


async def test_a_broken_listener_stops_nothing(tmp_path, engine):
    async def broken(entries):
        raise RuntimeError("no")

    ledger, _, writer = make(tmp_path, engine, on_written=[broken])
    async with ledger:
        await call(ledger)
        await ledger.flush()
        assert await count(engine) == 1
        assert not writer.trouble


async def test_a_lost_segment_does_not_stop_the_writer(tmp_path, engine):
    ledger, spool, _ = make(tmp_path, engine, interval=60)
    async with ledger:
        await call(ledger)
        (segment,) = spool.segments()
        segment.kept = None  # it has to be read back
        segment.path.unlink()
        await ledger.flush()
        assert await count(engine) == 0
        assert segment.drained == segment.size


async def test_what_was_just_written_is_not_read_back(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(writer_module, "read_batch", None)
    monkeypatch.setattr(writer_module, "BATCH", 7)
    told = []
    ledger, _, _ = make(tmp_path, engine, interval=60, on_written=[partial(_told, told)])
    async with ledger:
        ids = [await call(ledger) for _ in range(20)]
        await ledger.flush()
        assert [len(batch) for batch in told] == [7, 7, 6]
        assert [each.id for batch in told for each in batch] == ids
        assert [await Queries(engine).entry(each.id) for each in told[0]] == told[0]


async def test_what_is_too_much_to_keep_is_read_back(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(segment_module, "MOST_KEPT", 5)
    ledger, spool, _ = make(tmp_path, engine, interval=60)
    async with ledger:
        for _ in range(8):
            await call(ledger)
        (segment,) = spool.segments()
        assert segment.kept is None
        await ledger.flush()
        assert await count(engine) == 8
        await call(ledger)
        assert len(segment.kept) == 1
        await ledger.flush()
        assert await count(engine) == 9


async def test_a_batch_that_the_database_refuses_is_read_back_and_the_one_before_it_is_told_of_once(
    tmp_path, engine, monkeypatch
):
    monkeypatch.setattr(writer_module, "BATCH", 4)
    told = []
    ledger, _, writer = make(tmp_path, engine, interval=60, on_written=[partial(_told, told)])
    real = writer._sink.write

    async def once(entries):
        monkeypatch.setattr(writer._sink, "write", _refuse)
        await real(entries)

    monkeypatch.setattr(writer._sink, "write", once)
    async with ledger:
        ids = [await call(ledger) for _ in range(10)]
        with pytest.raises(OperationalError):
            await ledger.flush()
        ids.append(await call(ledger))
        monkeypatch.setattr(writer._sink, "write", real)
        await ledger.flush()
        assert sorted(each.id for batch in told for each in batch) == sorted(ids)
        assert await count(engine) == len(ids)


async def _told(told, entries):
    told.append(list(entries))


async def test_many_small_costs_add_up_exactly(tmp_path, engine):
    ledger, _, _ = make(tmp_path, engine, interval=60)
    costs = [1, 3, 7] * 100
    async with ledger:
        for cost in costs:
            await call(ledger, cost=cost)
        await ledger.flush()
        (total,) = await Queries(engine).usage()
        assert total.cost_micro_usd == sum(costs)
        assert await Queries(engine).spent(("key", "ci"), 0) == sum(costs)
