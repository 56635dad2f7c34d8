"""How long pages of a large ledger take: `python -m bench.ledger_pages [--rows 1000000]`. Nothing passes or fails.

Fills an embedded database with entries of 30 days, sums them, and times the questions that the apps ask; prints the
median and the worst of twenty.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.ledger import Filters, Order, Queries, Rollups, Sessions, Sort
from hub.ledger.rows import ENTRY
from hub.store import Database

DAYS = 30
_TURNS = 20


def _column(name: str, start: int, step: int) -> str:
    """What stands in a column of entry number n, as SQL."""
    values = {
        "id": "printf('%026d', n)",
        "at": f"{start} + n * {step}",
        "call": "CASE n % 3 WHEN 0 THEN 'tool' ELSE 'model' END",
        "team": "'team-' || (n % 400 % 20)",
        "user": "'user-' || (n % 400 % 300)",
        "key": "'key-' || (n % 400)",
        "model": "'model-' || (n % 12)",
        "provider": "'provider-' || (n % 4)",
        "session": "'session-' || (n / 40)",
        "outcome": "CASE n % 50 WHEN 0 THEN 'error' ELSE 'ok' END",
        "request_id": "'req_' || n",
        "duration_ms": "(n * 7919) % 30000",
        "input": "(n * 104729) % 9000",
        "output": "(n * 1299709) % 900",
        "cost_micro_usd": "n % 5000",
        "tags": "'{}'",
    }
    kind = ENTRY.c[name].type.python_type
    return values.get(name, "'[]'" if name in ("attempts", "dropped", "findings") else "''" if kind is str else "0")


async def fill(engine: AsyncEngine, rows: int) -> None:
    step = DAYS * 86_400_000_000 // rows
    start = int(time.time() * 1_000_000) - DAYS * 86_400_000_000
    names = [column.name for column in ENTRY.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(_column(name, start, step) for name in names)
    numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows})"
    async with engine.begin() as connection:
        await connection.execute(text(f"{numbers} INSERT INTO entry ({columns}) SELECT {values} FROM c"))
        await connection.execute(
            text(
                "INSERT INTO stale SELECT DISTINCT 'hour', at - at % 3600000000, 0 FROM entry WHERE 1 ON CONFLICT DO NOTHING"
            )
        )
        await connection.execute(text("ANALYZE"))


def questions(queries: Queries, sessions: Sessions, rows: int) -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    now = time.time()
    week, month = now - 7 * 86_400, now - DAYS * 86_400
    middle = {"since": now - 15 * 86_400, "until": now - 14 * 86_400}
    yield "newest page", queries.logs
    yield "page of a team", lambda: queries.logs(Filters(team="team-7"))
    yield "page of a key in a day", lambda: queries.logs(Filters(key="key-7", **middle))
    yield "failures of a week", lambda: queries.logs(Filters(outcome="error", since=week))
    yield "by request id", lambda: queries.logs(Filters(request_id=f"req_{rows // 2}"))
    yield "slowest first", lambda: queries.logs(order=Order(Sort.DURATION))
    yield "slower than 20 s", lambda: queries.logs(Filters(min_duration_ms=20_000))
    yield "one session", lambda: sessions.run(f"session-{rows // 80}", Filters())
    yield "usage of a month by team", lambda: queries.usage(Filters(since=month), group_by=("team",))
    yield "usage of a month by day", lambda: queries.usage(Filters(since=month), group_by=("day",))
    yield (
        "usage of a team by model and day",
        lambda: queries.usage(Filters(since=month, team="team-7"), group_by=("model", "day")),
    )


async def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Database.open(f"sqlite+aiosqlite:///{Path(folder) / 'hub.db'}") as engine:
            began = time.perf_counter()
            await fill(engine, rows)
            print(f"{rows} entries in {time.perf_counter() - began:.0f} s")
            began = time.perf_counter()
            summed = await Rollups(engine).refresh()
            print(f"{summed} hours and days summed in {time.perf_counter() - began:.0f} s\n")
            for name, ask in questions(Queries(engine), Sessions(engine), rows):
                times = []
                for _ in range(_TURNS):
                    began = time.perf_counter()
                    await ask()
                    times.append((time.perf_counter() - began) * 1000)
                print(f"{name:36} median {statistics.median(times):8.1f} ms   worst {max(times):8.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.ledger_pages")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asyncio.run(main(parser.parse_args().rows))
