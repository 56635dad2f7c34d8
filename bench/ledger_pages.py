"""How long pages of a large ledger take: `python -m bench.ledger_pages [--rows 1000000] [--database URL ...]`.

Fills empty databases with entries of 30 days, sums them, and asks for a page and a count by each filter: by a value that is
common, one that is rare, one that was common until two weeks ago, and one that no entry has. Prints tables in Markdown. Nothing
passes or fails. Without `--database` it is an embedded one in a folder that is removed afterwards; a given one keeps
what was filled in.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.entry import Entry
from hub.core.ids import new_id
from hub.ledger import Filters, Order, Queries, Rollups, Sessions, Sort
from hub.ledger.rows import ENTRY
from hub.ledger.sink import Sink
from hub.store import Database

DAYS = 30
_TURNS = 20
_WRITTEN = 4000
_KINDS = ("common", "rare", "gone", "never")
Ask = Callable[[], Awaitable[object]]

# Columns by how many common values they have, and of which calls they are: all, those of models, those of tools.
_OF_ALL = {"team": 20, "user": 300, "key": 400, "application": 10}
_OF_MODELS = {"model": 12, "target": 16, "provider": 4, "lane": 2, "route": 3}
_OF_TOOLS = {"profile": 10, "server": 20, "tool": 100}
_TOOL = "n % 3 = 0"


class Values:
    """What stands in the columns of entry number n of `rows`, as SQL that every database reads."""

    def __init__(self, rows: int, dialect: str) -> None:
        self._start = int(time.time() * 1_000_000) - DAYS * 86_400_000_000
        self._step = DAYS * 86_400_000_000 // rows
        # A few entries, evenly spread; most of the first half.
        self._rare = f"n % {max(rows // 10, 3)} IN (3, 4, 5)"
        self._gone = f"n <= {rows // 2} AND n % 10 < 8"
        self._id = "printf('%026d', n)" if dialect == "sqlite" else "lpad(n::text, 26, '0')"

    def _spread(self, common: str, rare: str, gone: str) -> str:
        return f"CASE WHEN {self._rare} THEN {rare} WHEN {self._gone} THEN {gone} ELSE {common} END"

    def _named(self, name: str, many: int) -> str:
        return self._spread(f"'{name}-' || (n % 400 % {many})", f"'{name}-rare'", f"'{name}-gone'")

    def column(self, name: str) -> str:
        """The SQL of one column."""
        fixed = {
            "id": self._id,
            "at": f"{self._start} + n * {self._step}",
            "call": f"CASE WHEN {_TOOL} THEN 'tool' ELSE 'model' END",
            "session": "'session-' || (n / 40)",
            "trace": "'trace-' || (n / 10)",
            "request_id": "'req_' || n",
            "outcome": self._spread("CASE n % 50 WHEN 7 THEN 'error' ELSE 'ok' END", "'cancelled'", "'refused'"),
            "status": self._spread("CASE n % 50 WHEN 7 THEN 502 ELSE 200 END", "499", "429"),
            "code": self._spread("CASE n % 50 WHEN 7 THEN 'timeout' ELSE '' END", "'cancelled'", "'rate_limited'"),
            "duration_ms": self._spread("10 + (n * 7919) % 30000", "500000 + n % 10", "40000"),
            "input": "(n * 104729) % 9000",
            "output": "(n * 1299709) % 900",
            "cost_micro_usd": "n % 5000",
            "tags": self._spread(
                """CASE n % 4 WHEN 0 THEN '{"env":"env-0"}' ELSE '{}' END""",
                """'{"env":"env-rare"}'""",
                """'{"env":"env-gone"}'""",
            ),
            **dict.fromkeys(("attempts", "dropped", "findings"), "'[]'"),
        }
        if name in fixed:
            return fixed[name]
        if name in _OF_ALL:
            return self._named(name, _OF_ALL[name])
        if name in _OF_MODELS:
            return f"CASE WHEN {_TOOL} THEN '' ELSE {self._named(name, _OF_MODELS[name])} END"
        if name in _OF_TOOLS:
            return f"CASE WHEN {_TOOL} THEN {self._named(name, _OF_TOOLS[name])} ELSE '' END"
        kinds: Mapping[type, str] = {str: "''", bool: "false"}
        return kinds.get(ENTRY.c[name].type.python_type, "0")


async def fill(engine: AsyncEngine, rows: int) -> None:
    """Entries, their tags, and the marks that their hours are to be summed."""
    sqlite = engine.dialect.name == "sqlite"
    made = Values(rows, engine.dialect.name)
    names = [column.name for column in ENTRY.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(made.column(name) for name in names)
    counted = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) "
    numbers = "c" if sqlite else f"generate_series(1::bigint, {rows}) AS c(n)"
    env = "json_extract(tags, '$.env')" if sqlite else "tags::json ->> 'env'"
    hours = "SELECT DISTINCT 'hour', at - at % 3600000000, 0 FROM entry WHERE true ON CONFLICT DO NOTHING"
    async with engine.begin() as connection:
        for index in ENTRY.indexes:  # made at the end, which is quicker
            await connection.run_sync(index.drop)
        for statement in (
            f"{counted if sqlite else ''}INSERT INTO entry ({columns}) SELECT {values} FROM {numbers}",
            f"INSERT INTO entry_tag SELECT at, id, 'env', {env} FROM entry WHERE tags <> '{{}}'",
            f"INSERT INTO stale {hours}",
        ):
            await connection.exec_driver_sql(statement)
        for index in ENTRY.indexes:
            await connection.run_sync(index.create)
    if not sqlite:  # which does this by itself after a while; SQLite has no statistics in a hub
        async with engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.exec_driver_sql("VACUUM ANALYZE entry, entry_tag, stale")


def filters(rows: int) -> Iterator[tuple[str, dict[str, Filters]]]:
    """Each filter with its common, rare, gone and absent value; then several at once."""
    for name in (*_OF_ALL, *_OF_MODELS, *_OF_TOOLS):
        values = {kind: f"{name}-{kind}" for kind in _KINDS} | {"common": f"{name}-0"}
        yield name, {kind: Filters(**{name: value}) for kind, value in values.items()}
    given: dict[str, tuple[Any, ...]] = {
        "call": ("model", "tool", None, "never"),
        "outcome": ("error", "cancelled", "refused", "interrupted"),
        "outcome, the usual": ("ok", None, None, None),
        "status": (502, 499, 429, 418),
        "status, the usual": (200, None, None, None),
        "code": ("timeout", "cancelled", "rate_limited", "never"),
        "tag": ("env=env-0", "env=env-rare", "env=env-gone", "env=never"),
        "session": (None, f"session-{rows // 80}", None, "never"),
        "trace": (None, f"trace-{rows // 20}", None, "never"),
        "request_id": (None, f"req_{rows // 2}", None, "never"),
        "min_duration_ms": (20_000.0, 500_000.0, 35_000.0, 1e9),
        "max_duration_ms": (20_000.0, 10.0, None, 1.0),
        "teams": (("team-0", "team-1"), ("team-rare", "never"), ("team-gone", "never"), ("never", "none")),
    }
    for name, values in given.items():
        field = name.partition(",")[0]
        pairs = zip(_KINDS, values, strict=True)
        yield name, {kind: Filters(**{field: value}) for kind, value in pairs if value is not None}
    both: dict[str, dict[str, Any]] = {
        "common": {"team": "team-0", "outcome": "error"},
        "rare": {"team": "team-0", "model": "model-rare"},
        "gone": {"provider": "provider-gone", "application": "application-gone"},
        "never": {"lane": "lane-0", "server": "server-0"},
    }
    yield "two filters", {kind: Filters(**pair) for kind, pair in both.items()}
    tagged = (("env-0", "team-0"), ("env-rare", "team-0"), ("env-gone", "team-gone"), ("env-0", "never"))
    yield (
        "tag and team",
        {kind: Filters(tag=f"env={env}", team=team) for kind, (env, team) in zip(_KINDS, tagged, strict=True)},
    )
    day = time.time() - 15 * 86_400
    within = {"since": day, "until": day + 86_400}
    yield (
        "a day, and key",
        {kind: Filters(key="key-0" if kind == "common" else f"key-{kind}", **within) for kind in _KINDS},
    )


def pages(queries: Queries, rows: int) -> Iterator[tuple[str, dict[str, Ask]]]:
    """Pages by each filter, newest first and in the other orders."""
    yield "none", {"common": queries.logs}
    for name, kinds in filters(rows):
        yield name, {kind: lambda one=one: queries.logs(one) for kind, one in kinds.items()}
    for sort in (Sort.DURATION, Sort.INPUT, Sort.OUTPUT):
        order = Order(sort)
        yield f"none, by {sort}", {"common": lambda order=order: queries.logs(order=order)}
        kinds = {kind: Filters(provider="provider-0" if kind == "common" else f"provider-{kind}") for kind in _KINDS}
        yield (
            f"provider, by {sort}",
            {kind: lambda one=one, order=order: queries.logs(one, order=order) for kind, one in kinds.items()},
        )
    week = Filters(since=time.time() - 7 * 86_400)
    order = Order(Sort.DURATION)
    yield "a week, by duration_ms", {"common": lambda: queries.logs(week, order=order)}
    failed = replace(week, outcome="error")
    yield "failures of a week, by duration_ms", {"common": lambda: queries.logs(failed, order=order)}


def counts(queries: Queries, rows: int) -> Iterator[tuple[str, dict[str, Ask]]]:
    """How many calls match each filter."""
    yield "none, counted", {"common": queries.count}
    yield "a week, counted", {"common": lambda: queries.count(Filters(since=time.time() - 7 * 86_400))}
    for name, kinds in filters(rows):
        yield f"{name}, counted", {kind: lambda one=one: queries.count(one) for kind, one in kinds.items()}


def sums(queries: Queries, sessions: Sessions, rows: int) -> Iterator[tuple[str, Ask]]:
    """Usage and sessions."""
    month = time.time() - DAYS * 86_400
    for group in ("team", "model", "user", "key", "provider", "tool", "day"):
        yield (
            f"usage of a month by {group}",
            lambda group=group: queries.usage(Filters(since=month), group_by=(group,), timed=True),
        )
    one = Filters(since=month, team="team-7")
    yield (
        "usage of a team in a month by model and day",
        lambda: queries.usage(one, group_by=("model", "day"), timed=True),
    )
    mine = Filters(since=month, user="user-7")
    yield "usage of a user in a month by model", lambda: queries.usage(mine, group_by=("model",), timed=True)
    yield "the sessions that were active last", lambda: sessions.latest(Filters(), 50)
    yield "a user's sessions that were active last", lambda: sessions.latest(Filters(user="user-7"), 50)
    yield "one session", lambda: sessions.run(f"session-{rows // 80}", Filters())


async def timed(ask: Ask) -> tuple[float, float]:
    """The median and the longest of some turns, in milliseconds."""
    times: list[float] = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), max(times)


def _writing(number: int) -> Entry:
    values = {
        "provider": "provider-0",
        "target": "provider-0/m",
        "model": "model-0",
        "lane": "lane-0",
        "team": "team-0",
    }
    return Entry(
        id=new_id(), at=time.time_ns() // 1000, call="model", principal="key:key-0", outcome="ok", status=200, key="key-0",
        user="user-0", request_id=f"new-{number}", application="application-0", **values,
    )  # fmt: skip


async def write(engine: AsyncEngine) -> float:
    """Microseconds that an entry of a model's call takes to write, among all the others."""
    with tempfile.TemporaryDirectory() as folder:
        sink = Sink(engine, Path(folder) / "rejected", ())
        entries = [_writing(number) for number in range(_WRITTEN)]
        began = time.perf_counter()
        for start in range(0, _WRITTEN, 200):
            await sink.write(entries[start : start + 200])
        return (time.perf_counter() - began) / _WRITTEN * 1e6


async def measure(url: str, rows: int) -> None:
    """Fill one database and print what it takes."""
    async with Database.open(url) as engine:
        began = time.perf_counter()
        await fill(engine, rows)
        print(f"\n{engine.dialect.name}: {rows} entries in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        summed = await Rollups(engine).refresh()
        print(f"{summed} hours and days summed in {time.perf_counter() - began:.0f} s", flush=True)
        queries, sessions = Queries(engine), Sessions(engine)
        print(f"\n| filter | {' | '.join(_KINDS)} | longest |\n| --- |{' ---: |' * (len(_KINDS) + 1)}")
        longest = 0.0
        for name, kinds in chain(pages(queries, rows), counts(queries, rows)):
            found = {kind: await timed(ask) for kind, ask in kinds.items()}
            told = [f"{found[kind][0]:.1f}" if kind in found else "" for kind in _KINDS]
            worst = max(most for _, most in found.values())
            longest = max(longest, worst)
            print(f"| {name} | {' | '.join(told)} | {worst:.1f} |", flush=True)
        print(f"\nThe longest of all: {longest:.1f} ms\n\n| sums | median | longest |\n| --- | ---: | ---: |")
        for name, ask in sums(queries, sessions, rows):
            median, worst = await timed(ask)
            print(f"| {name} | {median:.1f} | {worst:.1f} |", flush=True)
        print(f"\nAn entry is written in {await write(engine):.0f} µs")


async def main(rows: int, databases: list[str]) -> None:
    """Measure each database."""
    with tempfile.TemporaryDirectory() as folder:
        for url in databases or [f"sqlite+aiosqlite:///{Path(folder) / 'hub.db'}"]:
            await measure(url, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.ledger_pages")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--database", action="append", default=[], help="sqlite+aiosqlite:///FILE or postgresql+asyncpg://..."
    )
    given = parser.parse_args()
    asyncio.run(main(given.rows, given.database))
