"""Programs of others end at their deadline, whatever they leave running."""

import os
from pathlib import Path

import pytest

from tests.support.hubs import wait_for
from tests.support.programs import run_program

WHERE = {"cwd": "/", "environment": {"PATH": os.environ["PATH"]}}


def gone(pid):
    """True once a process is no more, or is dead and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_program_is_told_with_its_code_and_both_outputs():
    done = run_program(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], **WHERE, seconds=30)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.timeout(60)
def test_the_deadline_ends_what_a_program_started_and_tells_what_it_said():
    with pytest.raises(AssertionError, match=r"did not end within 1 s(?s:.*)started \d+") as told:
        run_program(["sh", "-c", "sleep 600 & echo started $!; wait"], **WHERE, seconds=1)
    pid = int(str(told.value).split("started ")[1].split()[0])
    wait_for(lambda: gone(pid))


@pytest.mark.timeout(60)
def test_a_process_left_behind_with_the_output_open_holds_nothing_up():
    done = run_program(["sh", "-c", "sleep 600 & echo $!"], **WHERE, seconds=30)
    os.kill(int(done.stdout), 9)
    assert done.returncode == 0
