"""A program that writes calls to a ledger and says on stdout what it was told, until it is killed.

    python -m tests.support.ledger_driver kill FOLDER URL SCHEMA KILLS SEED
    python -m tests.support.ledger_driver full FOLDER URL SCHEMA

`kill` starts a child again and again and kills it (-9) at random moments; the lines are `open ID` and `done ID`.
"""

import asyncio
import contextlib
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine

from hub.core.refusal import Unavailable
from hub.core.usage import Usage
from hub.ledger import Ledger, Rollups, Spool, Writer
from tests.support.ledger import CI, model_call, tool_call, until


def say(word, call):
    os.write(1, f"{word} {call}\n".encode())


def engine_for(url, schema):
    options = {"server_settings": {"search_path": schema}} if schema else {}
    return create_async_engine(url, connect_args=options)


def make(folder, engine, **options):
    spool = Spool(Path(folder), **options)
    return Ledger(spool, Writer(spool, engine, interval=0.01))


async def one_call(ledger, seconds):
    call = model_call() if random.random() < 0.5 else tool_call()
    async with ledger.record(CI, call) as record:
        await record.reserve(Usage(input=7), 70)
        say("open", record.id)
        await asyncio.sleep(seconds)
        record.settle(Usage(input=1), 1)
    say("done", record.id)


async def work(folder, url, schema):
    engine = engine_for(url, schema)
    # An hour ahead, so that sums are made, and killed, of hours that are still written to.
    rollups = Rollups(engine, now=lambda: time.time() + 7200, interval=0.01)
    async with make(folder, engine, segment_bytes=20_000) as ledger, rollups, asyncio.TaskGroup() as group:

        async def worker(longest):
            while True:
                await one_call(ledger, random.random() * longest)

        for longest in (0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 5, 5):
            group.create_task(worker(longest))


def kill(folder, url, schema, kills, seed):
    chance = random.Random(int(seed))
    for _ in range(int(kills)):
        child = os.fork()
        if child == 0:
            asyncio.run(work(folder, url, schema))
            os._exit(1)
        time.sleep(chance.uniform(0.01, 0.4))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the child ended by itself: {status}")


async def full(folder, url, schema):
    """Files cannot grow past a limit, then they can: the ledger refuses, then goes on. Prints what was refused."""
    engine = engine_for(url, schema)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with make(folder, engine) as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        refused = 0
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(_tolerant(ledger))
        for _ in range(100):
            try:
                await one_call(ledger, 0)
            except Unavailable:
                refused += 1
        say("refused", refused)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        for _ in range(20):
            await one_call(ledger, 0)
        await until(lambda: not ledger.trouble)
        await ledger.flush()
    await engine.dispose()


async def _tolerant(ledger):
    with contextlib.suppress(Unavailable):
        await one_call(ledger, 0.01)


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        kill(*sys.argv[2:])
    else:
        asyncio.run(full(*sys.argv[2:]))
