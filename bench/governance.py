"""What governance costs by itself, in CPU time: `python -m bench.governance [--redis URL]`. Reported, never a gate.

With the URL of a Redis, limits and budgets are counted there too, as several replicas do.
"""

import argparse
import asyncio
import base64
import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.meters import Meters
from hub.core.principal import EVERYTHING, Access, Principal
from hub.core.usage import Usage
from hub.policy import LocalMeters, Policy
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.store.shared import RedisMeters

KEY = Principal(id="key:k", kind="key", key="k", user="u", team="t", access=(Access(EVERYTHING, EVERYTHING),))
WORDS = [
    "quick",
    "report",
    "meeting",
    "customer",
    "invoice",
    "review",
    "section",
    "number",
    "value",
    "config",
    "system",
]
SCOPES = [{"org": True}, {"team": "t"}, {"user": "u"}, {"key": "k"}]
GOVERNED = {
    "limits": {f"l{i}": {"scope": scope, "rpm": 10_000_000, "tpm": 10**12} for i, scope in enumerate(SCOPES[:2])},
    "budgets": {f"b{i}": {"scope": scope, "usd": 1_000_000} for i, scope in enumerate(SCOPES)},
}
PII = ["email", "phone", "ssn", "card", "iban", "ip", "national-id"]


def policy(meters: Meters | None = None, **resources: dict[str, Any]) -> Policy:
    """A policy over parsed resources."""
    made = Policy(meters=meters)
    parsed = {kind: {n: parse(kind, n, raw) for n, raw in named.items()} for kind, named in resources.items()}
    made.reconfigure(Snapshot(1, "", ModelCatalog([]), **parsed))
    return made


def call(body: bytes, name: str = "1") -> ModelCall:
    """A call of a model."""
    return ModelCall(name, Dialect.OPENAI_CHAT, "m", False, body, Origin("r"))


async def least(rounds: int, count: int, work: Callable[[], Awaitable[None]]) -> float:
    """The least CPU time of one `work()` over several rounds, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(count):
            await work()
        best = min(best, (time.process_time() - began) / count)
    return best


async def without_content_rules() -> float:
    """Two limits and four budgets, no guardrail: admit, take, settle, headers."""
    subject = policy(**GOVERNED)
    made = call(b'{"messages":[]}')

    async def work() -> None:
        async with subject.admit(KEY, made, tokens=100, cost_micro_usd=100) as decision:
            decision.settle(Usage(input=50, output=50), 90)
            _ = decision.headers

    return await least(7, 2000, work)


async def counted_in_redis(url: str, together: int, calls: int = 4000) -> tuple[float, float]:
    """The same with Redis, `together` calls at once: the CPU time of a call here, and in Redis."""
    redis = Redis.from_url(url)
    async with RedisMeters(url, LocalMeters(), prefix="bench:", deadline=10) as meters:
        subject = policy(meters, **GOVERNED)

        async def some(number: int) -> None:
            for turn in range(calls // together):
                made = call(b'{"messages":[]}', f"{number}-{turn}")
                async with subject.admit(KEY, made, tokens=100, cost_micro_usd=100) as decision:
                    decision.settle(Usage(input=50, output=50), 90)

        async def used() -> float:
            told = await redis.info("cpu")
            return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

        await some(-1)
        here, there = time.process_time(), await used()
        await asyncio.gather(*(some(number) for number in range(together)))
        found = (time.process_time() - here) / calls, (await used() - there) / calls
    async for key in redis.scan_iter("bench:*"):
        await redis.delete(key)
    await redis.aclose()
    return found


def prose(length: int) -> str:
    """Words by chance."""
    dice = random.Random(1)
    return " ".join(dice.choice(WORDS) for _ in range(length // 5))[:length]


async def hundred_rules(*texts: str) -> float:
    """A hundred rules of patterns, personal data and secrets over a body of messages."""
    rules = {f"p{i}": {"patterns": [rf"\b{WORDS[i % len(WORDS)]}-{i}-[a-z0-9]{{4,12}}\b"]} for i in range(80)}
    rules |= {f"d{i}": {"pii": PII, "secrets": i % 2 == 0} for i in range(20)}
    return await screened(rules, *texts)


def policy_of(rules: dict[str, Any]) -> Policy:
    """A policy of guardrails that flag what goes to models."""
    common = {"scope": {"org": True}, "on": ["input"], "action": "flag"}
    return policy(guardrails={name: {**common, **rule} for name, rule in rules.items()})


async def admitted(subject: Policy, *texts: str) -> None:
    """Admit a call that says each text in a message."""
    body = json.dumps({"messages": [{"role": "user", "content": text} for text in texts]}).encode()
    async with subject.admit(KEY, call(body)):
        pass


async def screened(rules: dict[str, Any], *texts: str) -> float:
    """The cost of rules over a body of messages."""
    subject = policy_of(rules)
    return await least(7, 20, lambda: admitted(subject, *texts))


def page() -> str:
    """100 kB about agents, no two sentences the same."""
    kinds = ["assistant", "agent", "prompt", "secret", "instruction", "admin"]
    words = prose(90_000).split()
    return " ".join(f"{word} {kinds[i % 6]} {i}." if i % 9 == 0 else word for i, word in enumerate(words))[:100_000]


async def longest_wait(rules: dict[str, Any]) -> float:
    """The longest that the event loop was kept from other work while a body of 1 MB was judged, in seconds."""
    subject = policy_of({name: {**rule, "deadline_ms": 60_000} for name, rule in rules.items()})
    longest, last = 0.0, time.perf_counter()
    async with asyncio.TaskGroup() as group:
        judging = group.create_task(admitted(subject, page() * 10))
        while not judging.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    return longest


def disguised() -> str:
    """100 kB with look-alike letters in it, escapes, and pieces in base64."""
    piece = base64.b64encode(b"the customer wrote to the office, and not to Ann, at noon").decode()
    return f"{prose(900)} re\u0440ort caf%C3%A9 &amp; more {piece} " * 97


async def main(redis: str) -> None:
    """Measure and print."""
    for together in (1, 32) if redis else ():
        here, there = await counted_in_redis(redis, together)
        print(
            f"counted in Redis, {together} at once: {here * 1e6:.0f} us of CPU a call, and {there * 1e6:.0f} us of Redis's"
        )
    print(f"all governance without content rules: {await without_content_rules() * 1e6:.1f} us of CPU a call (goal 60)")
    found = await hundred_rules(f"{prose(100_000)} ann@example.com")
    print(f"100 rules on a body of 100 kB: {found * 1e3:.2f} ms of CPU (goal 5)")
    hundred = [prose(100_000)[start : start + 1000] for start in range(0, 100_000, 1000)]
    print(f"the same in a hundred messages: {await hundred_rules(*hundred) * 1e3:.2f} ms of CPU (goal 5)")
    print(f"the same, full of look-alikes, escapes and base64: {await hundred_rules(disguised()) * 1e3:.2f} ms of CPU")
    rule = {"i": {"injection": "medium"}}
    print(
        f"signs of injection on a body of 100 kB: {await screened(rule, prose(100_000)) * 1e3:.2f} ms of CPU (goal 5)"
    )
    began = time.process_time()
    await admitted(policy_of(rule), page())
    print(f"the same, for a text about agents that is new: {(time.process_time() - began) * 1e3:.2f} ms of CPU")
    print(f"longest wait of other calls while 1 MB of it is judged: {await longest_wait(rule) * 1e3:.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.governance")
    parser.add_argument(
        "--redis", default="", help="redis://HOST:PORT/DATABASE; keys that begin with `bench:` are used"
    )
    asyncio.run(main(parser.parse_args().redis))
