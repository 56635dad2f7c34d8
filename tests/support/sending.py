"""Carrying out a plan against scripted upstreams, without a hub around it; and those upstreams as a process."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.plan import Deployment, Plan, Retry, Timeouts
from hub.dialect import lane, peek
from hub.ledger.opening import NOTHING
from hub.routing import Health
from hub.upstream import ModelUpstream, ProviderSecrets, Transport

PATHS = {Dialect.OPENAI_CHAT: "/chat/completions", Dialect.ANTHROPIC_MESSAGES: "/messages"}


class Kept:
    """What sending tells the record of a call."""

    def __init__(self):
        self.status = 0
        self.lane = ""
        self.response_bytes = 0
        self.attempts = []
        self.target = ""
        self.failure = None
        self.usage = NOTHING
        self.dropped = ()

    def told(self, raw_usage):
        self.raw_usage = raw_usage

    def traceparent(self, attempt=0):
        return ""

    def attempt(self, attempt):
        self.attempts.append(attempt)

    def answered(self, target, provider=""):
        self.target = target

    def first_byte(self):
        pass

    def failed(self, code, message="", status=0):
        self.failure = (code, message)

    def cancelled(self):
        self.failure = ("cancelled", "")

    @property
    def tried(self):
        return [(attempt.target, attempt.outcome) for attempt in self.attempts]


class Secrets:
    """References that are their own secrets, but for `env:MISSING`."""

    async def resolve(self, reference):
        from hub.core.refusal import Refusal

        if reference.endswith("MISSING"):
            raise Refusal("not_found", f"The credential '{reference}' is not there.")
        return reference.partition(":")[2]


def deployment(url, provider="a", **options):
    options = {"timeouts": Timeouts(connect=2, first_byte=2, idle=2, total=8), **options}
    return Deployment(provider, "m", "openai-compatible", f"{url}/v1", PATHS, private=True, **options)


def call(stream=False, dialect=Dialect.OPENAI_CHAT, session="", **more):
    body = json.dumps(
        {"model": "x", "stream": stream, "messages": [{"role": "user", "content": "hi"}], **more}
    ).encode()
    places = peek(dialect, body).places
    return ModelCall("c1", dialect, "x", stream, body, Origin("r1", session), places=places, wants_usage=True)


def plan(*deployments, **retry):
    return Plan("x", deployments, retry=Retry(**{"first": 0.01, **retry}))


@contextlib.asynccontextmanager
async def sender(health=None):
    """A ModelUpstream over a real transport; `.health` is what it reports to."""
    async with Transport() as transport:
        made = ModelUpstream(transport, ProviderSecrets(Secrets()), lane, {}, health or Health())
        made.health = made._health
        yield made


async def send(models, planned, asked=None):
    """Send, read to the end, close: (status, bytes, record, headers)."""
    record = Kept()
    delivery = await models.send(planned, asked or call(), record)
    body = delivery.reply.body
    if delivery.reply.chunks is not None:
        body = b"".join([chunk async for chunk in delivery.reply.chunks])
    delivery.close()
    return delivery.reply.status, body, record, delivery.reply.headers


@contextlib.contextmanager
def running_upstream():
    """`tests.support.upstream` in a process of its own, for tests that are not asynchronous; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.upstream", "--port", "0"],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()
