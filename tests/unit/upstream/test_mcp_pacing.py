"""When a server may be tried again, and which processes are the hub's to end."""

import os
import subprocess
import sys

import pytest

from hub.upstream.mcp.pacing import Pacing
from hub.upstream.mcp.pids import MARK, Pids
from hub.upstream.mcp.values import Pace
from tests.support.mcp_pool import alive


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def crash(pacing, served=None):
    pacing.begun()
    pacing.ended(served)


def test_delays_double_to_a_ceiling_and_a_call_shortens_them_where_it_costs_no_process(clock):
    pacing = Pacing(Pace(), limited=False, now=clock)
    delays = []
    for _ in range(9):
        crash(pacing)
        delays.append(pacing.wait(wanted=False))
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pacing.wait(wanted=True) == 1
    assert pacing.troubled
    clock.now += 58
    assert pacing.wait(wanted=False) == 2


def test_the_first_loss_is_made_good_at_once_and_a_steady_life_forgives(clock):
    pacing = Pacing(Pace(), limited=True, now=clock)
    crash(pacing, served=3)
    assert (pacing.wait(wanted=False), pacing.troubled) == (0, False)
    crash(pacing, served=3)
    assert (pacing.wait(wanted=False), pacing.troubled) == (1, True)
    crash(pacing, served=31)
    assert pacing.wait(wanted=False) == 0


def test_a_process_is_given_up_until_the_window_is_past_and_a_call_comes(clock):
    pacing = Pacing(Pace(), limited=True, now=clock)
    for _ in range(6):
        assert not pacing.given_up
        crash(pacing)
        clock.now += 10
    assert pacing.given_up
    assert pacing.restarts == 5
    assert pacing.wait(wanted=True) is None
    assert pacing.retry_after() == pytest.approx(250, abs=1)
    clock.now += 260
    assert pacing.wait(wanted=False) is None
    assert pacing.wait(wanted=True) == 0
    pacing.begun()
    assert not pacing.given_up


@pytest.fixture
def sleeper():
    """Starts processes in groups of their own, with an environment; ends them."""
    started = []

    def start(**environment):
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", "import time; print(1, flush=True); time.sleep(60)"],
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_only_what_is_ours_is_reaped(tmp_path, sleeper):
    pids = Pids(tmp_path / "p")
    mark = pids.mark()
    pids.drop(mark)
    pids.close()
    ours, reused, left = sleeper(**{MARK: mark}), sleeper(**{MARK: "of another"}), sleeper(**{MARK: mark})
    pids.add("git", ours.pid, mark)
    pids.add("git", reused.pid, mark)
    (tmp_path / "p" / "rubbish.json").write_bytes(b"{")
    assert pids.reap() == 2
    assert ours.wait(5) == left.wait(5) == -9  # also what left the group
    assert alive(reused.pid)
    assert list((tmp_path / "p").iterdir()) == []
    assert Pids(tmp_path / "p").reap() == 0


def test_nothing_from_before_a_reboot_is_touched(tmp_path, sleeper):
    proc = tmp_path / "proc"
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("an earlier one")
    process = sleeper(**{MARK: "m"})
    Pids(tmp_path / "p", proc).add("git", process.pid, "m")
    assert Pids(tmp_path / "p").reap() == 0
    assert alive(process.pid)


def test_a_process_that_ended_is_forgotten(tmp_path):
    pids = Pids(tmp_path)
    pids.add("git", os.getpid(), "x")
    pids.remove(os.getpid())
    pids.remove(os.getpid())
    assert list(tmp_path.iterdir()) == []
