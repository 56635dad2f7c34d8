"""`hub serve --workers N`: several processes on one port are one hub."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.databases import postgres_url
from tests.support.hubs import ADMIN_KEY, RESOURCES, ROOT, running_hub, servers_ready, wait_for
from tests.support.mcp_talkers import OldTalker
from tests.support.redis import own_redis

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
CHOSEN = {
    "providers": {"demo": {"kind": "demo"}},
    "models": {"demo": RESOURCES["models"]["demo"]},
    "servers": {"old": RESOURCES["servers"]["old"]},
    "profiles": {"p": {"title": "P", "servers": {"old": {}}}},
    "teams": {"crew": {"models": ["*"]}},
    "keys": {"bounded": {"team": "crew", "secret": "env:BOUNDED_KEY"}},
    "limits": {"bounded": {"scope": {"key": "bounded"}, "rpm": 20}},
}
BOUNDED = "bounded-key-0123456789-0123456789-0123"


@contextlib.asynccontextmanager
async def shared(folder):
    """The settings of a database and a Redis."""
    async with postgres_url() as database:
        with own_redis(folder) as (port, _):
            yield {
                "HUB_DATABASE_URL": database.replace("+asyncpg", ""),
                "HUB_REDIS_URL": f"redis://127.0.0.1:{port}/0",
                "BOUNDED_KEY": BOUNDED,
            }


@pytest.fixture
async def settings(tmp_path):
    async with shared(tmp_path) as found:
        yield found


def crew(folder, settings, workers=3):
    return running_hub(folder, CHOSEN, settings, ("--workers", str(workers)))


def workers_of(hub):
    """The processes that serve, in the order in which they began; MCP servers are no workers."""
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text("ascii").split()
    return [int(pid) for pid in children]


def all_of(hub, count):
    """The workers, once so many serve."""
    return wait_for(
        lambda: (found := workers_of(hub)) and len(found) == count and answered(hub, 4 * count) and found, 60
    )


def answered(hub, times):
    """Whether new connections, which go to any worker, are answered."""
    with contextlib.suppress(httpx2.TransportError):
        return all(
            httpx2.get(f"{hub.url}/readyz", trust_env=False, timeout=10).status_code == 200 for _ in range(times)
        )
    return False


def call(hub, key=ADMIN_KEY, text="hi", **headers):
    """A call over a connection of its own."""
    with hub.client(key) as client:
        body = {"model": "demo", "messages": [{"role": "user", "content": text}]}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/v1/chat/completions", json=body, headers=named)


def entries(hub):
    with hub.client() as client:
        found, cursor = [], None
        while True:
            page = client.get("/api/v1/logs", params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                return found


async def test_several_workers_are_one_hub(tmp_path, settings):
    with crew(tmp_path / "hub", settings) as hub:
        all_of(hub, 3)
        with ThreadPoolExecutor(3) as pool:
            statuses = [answer.status_code for answer in pool.map(lambda _: call(hub, BOUNDED), range(60))]
        # On a machine that is busy Redis may answer too late for a call, which is then refused (503), never let through.
        assert statuses.count(200) <= 20, statuses
        assert 503 in statuses or statuses.count(200) == 20, statuses
        assert set(statuses) <= {200, 429, 503}
        wait_for(lambda: len(entries(hub)) == 60)
        ids = {entry["id"] for entry in entries(hub)}
        assert len(ids) == 60
        used = [pid for pid in workers_of(hub) if cpu_of(pid)]
        assert len(used) == 3

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: call(hub, idempotency_key="one"), range(24)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert [answer.headers.get("x-hub-cache") for answer in answers].count("replay") == 23
        assert call(hub, idempotency_key="one", text="else").status_code == 422

        servers_ready(hub, "old")
        answer = {"action": "accept", "content": {"answer": "Ann"}}
        async with OldTalker(f"{hub.url}/mcp/p", {"elicitation": {}}, key=ADMIN_KEY) as client:
            await client.http.aclose()
            alone = httpx2.Limits(max_keepalive_connections=0)  # each request over a new connection, to any worker
            client.http = httpx2.AsyncClient(timeout=60, trust_env=False, limits=alone)
            for _ in range(12):
                assert "hi" in (await client.call("old__echo", {"text": "hi"})).text
                said = await client.call("old__ask", {"question": "Who?"}, answer=lambda *_: answer)
                assert "Ann" in said.text
            await client.http.aclose()

        hub.put("models", "second", {"targets": [{"model": "demo/demo-1"}]})
        wait_for(lambda: all(listed(hub, "second") for _ in range(12)))
        assert hub.stop() == 0


def cpu_of(pid):
    """The CPU time that a process has used, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def listed(hub, model):
    with hub.client() as client:
        return model in [one["id"] for one in client.get("/v1/models").json()["data"]]


async def test_a_worker_that_dies_is_replaced_and_loses_nothing(tmp_path, settings):
    with crew(tmp_path / "hub", settings, 2) as hub:
        first = all_of(hub, 2)
        done = 0
        for victim in (first[1], first[0]):
            for _ in range(20):
                assert call(hub).status_code == 200
            done += 20
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda victim=victim: victim not in workers_of(hub))
            all_of(hub, 2)
        assert call(hub).status_code == 200
        wait_for(lambda: len(entries(hub)) >= done + 1)
        assert len({entry["id"] for entry in entries(hub)}) == len(entries(hub)) == done + 1
        assert any("a worker is gone and is replaced" in line for line in hub.output)
        assert hub.stop() == 0


def counted(hub):
    """How many calls of models went well, by whichever worker is asked."""
    with hub.client() as client:
        lines = client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith('hub_requests_total{call="model",outcome="ok"}')]
    return float(found[0].split()[-1]) if found else 0.0


async def test_whichever_worker_is_asked_tells_what_all_of_them_counted(tmp_path, settings):
    with crew(tmp_path / "hub", settings, 2) as hub:
        everybody = all_of(hub, 2)
        for _ in range(30):
            assert call(hub).status_code == 200
        wait_for(lambda: all(counted(hub) == 30 for _ in range(8)))
        os.kill(everybody[1], signal.SIGKILL)
        wait_for(lambda: everybody[1] not in workers_of(hub))
        all_of(hub, 2)
        assert {counted(hub) for _ in range(8)} == {30.0}
        for _ in range(10):
            assert call(hub).status_code == 200
        wait_for(lambda: all(counted(hub) == 40 for _ in range(8)))
        assert hub.stop() == 0


async def test_what_a_worker_left_is_brought_home_by_fewer_ones(tmp_path, settings):
    with crew(tmp_path / "hub", settings, 3) as hub:
        everybody = all_of(hub, 3)
        with ThreadPoolExecutor(8) as pool:
            assert {one.status_code for one in pool.map(lambda _: call(hub), range(30))} == {200}
        for pid in (hub.process.pid, *everybody):
            os.kill(pid, signal.SIGKILL)
        for pid in everybody:
            wait_for(
                lambda pid=pid: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()
            )
    with running_hub(tmp_path / "hub", None, settings) as hub:
        assert len(entries(hub)) == 30
        assert not list((tmp_path / "hub/data/workers").glob("*/spool/*.spool"))


async def test_workers_finish_what_they_are_at_and_stop_when_nobody_watches(tmp_path, settings):
    with crew(tmp_path / "hub", settings, 2) as hub:
        everybody = all_of(hub, 2)
        servers_ready(hub, "old")
        async with OldTalker(f"{hub.url}/mcp/p", key=ADMIN_KEY) as client:
            running = asyncio.ensure_future(client.call("old__sleep", {"ms": 1500}, token="t"))
            await asyncio.to_thread(wait_for, lambda: in_flight(hub) >= 1)
            os.kill(hub.process.pid, signal.SIGKILL)
            assert not (await running).error
        for pid in everybody:
            wait_for(
                lambda pid=pid: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), 40
            )


def in_flight(hub):
    """Calls that are being answered, by whichever workers are asked."""
    most = 0.0
    for _ in range(6):
        with hub.client() as client:
            lines = client.get("/metrics").text.splitlines()
        most = max(most, *(float(line.split()[-1]) for line in lines if line.startswith("hub_in_flight")))
    return most


def started(environment, *arguments):
    """A hub that is expected to end by itself."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return subprocess.run(
        [sys.executable, "-m", "hub", "serve", "--port", "0", *map(str, arguments)],
        cwd=ROOT, env={**inherited, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workers", "environment", "word"),
    [
        (2, {}, "HUB_DATABASE_URL and HUB_REDIS_URL"),
        (2, {"HUB_DATABASE_URL": "postgresql://127.0.0.1/x"}, "HUB_REDIS_URL"),
        (0, {}, "a number from 1 to 256"),
        (257, {}, "a number from 1 to 256"),
    ],
)
def test_what_several_workers_need_is_said(tmp_path, workers, environment, word):
    done = started(environment, "--data", tmp_path / "data", "--workers", workers)
    assert (done.returncode, word in done.stderr) == (1, True), done.stderr


async def test_a_crew_whose_first_worker_cannot_start_ends(tmp_path, settings):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("models: {x: {tragets: []}}")
    done = await asyncio.to_thread(started, settings, "--data", tmp_path / "data", "--workers", 2, "--apply", wrong)
    assert (done.returncode, done.stderr.count("models.x.tragets")) == (1, 1), done.stderr
