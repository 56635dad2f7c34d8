"""Calls that wait for a place at a limit, seen from outside."""

import asyncio

import httpx2
import pytest

from tests.support.hubs import running_hub
from tests.support.sending import running_upstream

KEYS = {name: f"{name}-key-0123456789-0123456789-01234567" for name in ("high", "low")}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_upstream() as url:
        resources = {
            "providers": {
                "slow": {"kind": "openai-compatible", "base_url": f"{url}/@delay:2/v1", "allow_private": True}
            },
            "limits": {"one": {"scope": {"model": "slow/m"}, "parallel": 1, "queue": {"most": 2, "seconds": 30}}},
            "teams": {name: {"models": ["*"], "priority": name} for name in KEYS},
            "keys": {name: {"team": name, "secret": f"env:KEY_{name.upper()}"} for name in KEYS},
        }
        environment = {f"KEY_{name.upper()}": key for name, key in KEYS.items()}
        with running_hub(tmp_path_factory.mktemp("waiting"), resources, environment) as started:
            yield started


@pytest.mark.anyio
async def test_calls_wait_by_class_and_what_finds_no_place_is_told_when_to_come_back(hub):
    done = []
    body = {"model": "slow/m", "messages": [{"role": "user", "content": "hello"}]}
    async with httpx2.AsyncClient(base_url=hub.url, timeout=60) as client:

        async def ask(name, key):
            answer = await client.post(
                "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEYS[key]}"}
            )
            done.append((name, answer.status_code))
            return answer

        async def waiting(number):
            async with asyncio.timeout(10):
                while True:
                    headers = {"authorization": f"Bearer {hub.admin_key}"}
                    status = (await client.get("/api/v1/limits/one", headers=headers)).json()["status"]
                    if (status["parallel"], status["waiting"]) == (1, number):
                        return

        tasks = [asyncio.create_task(ask("first", "low"))]
        await waiting(0)
        for number, (name, key) in enumerate((("second", "low"), ("third", "low"), ("urgent", "high")), 1):
            tasks.append(asyncio.create_task(ask(name, key)))
            await waiting(min(number, 2))
        refused = await ask("late", "low")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_parallel")
        assert refused.headers["retry-after"] == "30"
        await asyncio.gather(*tasks)
    assert sorted(done[:2]) == [("late", 429), ("third", 429)]
    assert done[2:] == [("first", 200), ("urgent", 200), ("second", 200)]
