"""Programs of others, run to their end or to a deadline that holds whatever they leave running."""

import contextlib
import os
import signal
import subprocess
import tempfile


def run_program(command, *, cwd, environment, seconds):
    """Run a program without standard input; the finished process with its text, or AssertionError with what it said so far.

    Its output goes to files, not pipes: a process that it started and left behind may hold a pipe open for ever.
    At the deadline (`seconds`) all processes of its group are killed.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        with subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        ) as program:
            try:
                code = program.wait(seconds)
            except BaseException as ended:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                if not isinstance(ended, subprocess.TimeoutExpired):
                    raise
                code = None
        said = [_all_of(file) for file in (out, err)]
    if code is None:
        raise AssertionError(f"{command[0]} did not end within {seconds} s; it said:\n" + "\n".join(said))
    return subprocess.CompletedProcess(command, code, *said)


def _all_of(file):
    file.seek(0)
    return file.read()
