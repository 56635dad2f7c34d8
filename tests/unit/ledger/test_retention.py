"""What is old goes, on both databases: bodies after their days, entries after theirs, sums never."""

import pytest

from hub.core.capture import Capture
from hub.core.usage import Usage
from hub.ledger import Filters, Payloads, Queries, Repricing, Retention, Rollups
from hub.ledger.bodies import Payload
from hub.ledger.pricing import version_of
from hub.ledger.sink import Sink
from hub.resources.model_catalog import Price, Rates
from hub.store import Vault
from hub.store.audit import AuditTrail
from tests.support.ledger import count, entry

pytestmark = pytest.mark.anyio

DAY = 86_400
NOW = 1_700_000_000


async def test_what_is_old_goes_and_its_sums_stay(engine, tmp_path):
    ages = [0.1, 5, 29, 31, 40, 400]
    entries = [entry(n, at=int((NOW - age * DAY) * 1e6), usage=Usage(input=1)) for n, age in enumerate(ages)]
    await Sink(engine, tmp_path / "rejects", ()).write(entries)
    vault = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
    payloads = Payloads(engine, vault)
    for one in entries:
        payloads.put(Payload(one.id, one.at, Capture.FULL, b"q", b"a", 1, 1))
    await payloads.flush()
    rollups = Rollups(engine, now=lambda: NOW)
    retention = Retention(engine, rollups, bodies_days=7, entries_days=30, now=lambda: NOW)
    assert await retention.sweep() == (4, 3)
    assert await count(engine) == 3
    assert await payloads.read(entries[1].id) is not None
    assert await payloads.read(entries[2].id) is None
    assert (await Queries(engine).usage())[0].calls == 6
    assert await retention.sweep() == (0, 0)


async def test_entries_stay_unless_days_are_said(engine, tmp_path):
    await Sink(engine, tmp_path / "rejects", ()).write([entry(1, at=1)])
    retention = Retention(engine, Rollups(engine), bodies_days=1, entries_days=0, now=lambda: NOW)
    assert await retention.sweep() == (0, 0)
    assert await count(engine) == 1


async def test_costs_anew_change_sums_and_leave_a_trail(engine, tmp_path):

    spent = {"target": "p/m", "model": "fast", "usage": Usage(input=1_000_000)}
    entries = [
        entry(1, **spent, cost_micro_usd=1_000_000, price_version="2026-01"),
        entry(2, **spent),
        entry(3, **spent, cost_micro_usd=7, price_version="caller's own"),
        entry(4, **{**spent, "target": "p/unknown"}, cost_micro_usd=9),
    ]
    await Sink(engine, tmp_path / "rejects", ()).write(entries)
    rollups, queries = Rollups(engine), Queries(engine)
    await rollups.refresh()
    price = Price.from_usd_per_million(input="2")
    repricing = Repricing(engine)

    def price_of(model, target):
        return price if target == "p/m" else None

    report = await repricing.run(Filters(), price_of, dry_run=False)
    assert (report.checked, report.changed, report.newly, report.before, report.after) == (
        3,
        2,
        1,
        1_000_000,
        4_000_000,
    )
    assert (await queries.usage())[0].cost_micro_usd == 4_000_000 + 7 + 9
    await rollups.refresh()
    assert (await queries.usage())[0].cost_micro_usd == 4_000_000 + 7 + 9
    again = await repricing.run(Filters(), price_of, dry_run=False)
    assert (again.changed, again.checked) == (0, 3)
    changed = await queries.entry(entries[0].id)
    assert '"price_version":"2026-01"' in changed.repriced


async def test_a_cost_is_worked_out_anew_at_the_service_tier_that_it_was_taken_at(engine, tmp_path):
    price = Price(
        Rates(input=2_000_000), as_of="2026-11", tiers={"flex": Price(Rates(input=1_000_000), as_of="2026-11")}
    )
    spent = {"target": "p/m", "usage": Usage(input=1_000_000)}
    entries = [
        entry(1, **spent, cost_micro_usd=900_000, price_version=version_of(price, "flex")),
        entry(2, **spent, cost_micro_usd=1_900_000, price_version=version_of(price, "default")),
    ]
    await Sink(engine, tmp_path / "rejects", ()).write(entries)
    await Repricing(engine).run(Filters(), lambda _model, _target: price, dry_run=False)
    found = [await Queries(engine).entry(one.id) for one in entries]
    assert [one.cost_micro_usd for one in found] == [1_000_000, 2_000_000]
    assert [one.price_version for one in found] == ["2026-11 flex", "2026-11"]
