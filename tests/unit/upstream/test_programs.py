"""The process in which programs run: its calls are carried out, its limits hold, and it can do nothing else."""

import asyncio
import json
import sys

import pytest

from hub.core.refusal import Malformed, Throttled
from hub.sandbox import COMMAND
from hub.upstream import Bounds, CallFailed, Sandbox

pytestmark = pytest.mark.anyio


async def call(name, arguments):
    given = json.loads(arguments)
    if name == "fail":
        raise CallFailed("it failed")
    if name == "hang":
        await asyncio.Event().wait()
    return json.dumps({"tool": name, "given": given}, indent=1).encode()


async def run(program, **bounds):
    return await Sandbox(Bounds(**{"total": 30.0, **bounds})).run(program, ["echo", "fail", "hang"], call)


def value(outcome):
    assert not outcome.error, outcome.error
    return json.loads(bytes(outcome.value))


async def test_a_program_calls_tools_and_answers():
    outcome = await run("print('one')\nrows = [echo(n=n)['given']['n'] for n in range(3)]\nrows")
    assert value(outcome) == [0, 1, 2]
    assert (outcome.printed, outcome.calls) == ("one\n", 3)
    caught = await run("try:\n  fail()\nexcept ToolError as e:\n  r = str(e)\nr")
    assert value(caught) == "it failed"
    assert (await run("fail()")).error == "ToolError: it failed"


async def test_texts_survive_in_both_directions():
    odd = 'é\u2028\n"\\ \U0001f600'
    outcome = await run(f"echo(text={odd!r})['given']['text']")
    assert value(outcome) == odd


@pytest.mark.parametrize(
    ("program", "bounds", "says"),
    [
        ("for i in range(9): echo()", {"calls": 3}, "may make 3 calls"),
        ("try:\n  for i in range(9): echo()\nexcept Exception: pass", {"calls": 3}, "may make 3 calls"),
        ("a = [0] * 1000000\nb = [a[:] for i in range(900)]\nlen(b)", {"memory": 256 << 20}, "memory"),
        ("'x'.zfill(10 ** 11)", {}, "memory"),
        ("round(5, -10 ** 9)", {"compute": 1}, "computes longer than 1 seconds"),
        ("hang()", {"total": 1.0}, "longer than 1 seconds"),
        ("import os", {}, "line 1: 'import' does not exist"),
        ("(", {}, "line 1: "),
        ("1 / 0", {}, "ZeroDivisionError"),
    ],
)
async def test_limits_hold(program, bounds, says):
    outcome = await run(program, **bounds)
    assert says in outcome.error


async def test_too_many_and_too_long_programs_are_refused():
    sandbox = Sandbox(Bounds(parallel=1, source=10))
    with pytest.raises(Malformed):
        await sandbox.run("1" * 11, [], call)
    first = asyncio.ensure_future(sandbox.run("hang()", ["hang"], call))
    await asyncio.sleep(0)
    with pytest.raises(Throttled):
        await sandbox.run("1", [], call)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert value(await sandbox.run("2", [], call)) == 2


PROBES = """
import ctypes, json, os, resource, socket, subprocess, sys
from hub.sandbox.child import _limit
from hub.sandbox.seccomp import confine
_limit(512 << 20, 5)
confined = confine()
def tried(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"
found = {
    "confined": confined,
    "open": tried(lambda: open("/etc/passwd")),
    "write": tried(lambda: open("x", "w")),
    "connect": tried(lambda: socket.socket().connect(("127.0.0.1", 1))),
    "fork": tried(os.fork),
    "start": tried(lambda: subprocess.run(["true"])),
    "kill": tried(lambda: os.kill(1, 0)),
    "list": tried(lambda: os.listdir("/")),
}
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
async def test_even_python_itself_could_do_nothing_in_that_process():
    start = COMMAND[-1].partition("; from hub")[0]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *COMMAND[:-1], f"{start}\n{PROBES}", stdout=asyncio.subprocess.PIPE, env={}
    )
    output, _ = await process.communicate()
    found = json.loads(output)
    assert found.pop("confined") is True
    assert "done" not in found.values(), found
