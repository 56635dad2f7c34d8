"""A Redis to test with: the one that listens on 127.0.0.1:6379, or one that is started for the tests."""

import contextlib
import shutil
import socket
import subprocess
import time


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


@contextlib.contextmanager
def own_redis(folder):
    """A server of one's own, which may be stopped: its port and its process."""
    program = shutil.which("redis-server")
    assert program, "install redis-server (tools/test_programs.sh does)"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ends = time.monotonic() + 10
        while not _answers(port):
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.02)
        yield port, process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def any_redis(folder):
    """The URL of a Redis whose database 15 is the tests' own."""
    if _answers(6379):
        yield "redis://127.0.0.1:6379/15"
    else:
        with own_redis(folder) as (port, _):
            yield f"redis://127.0.0.1:{port}/15"
