"""The full test server (`mcp_full`) in processes of its own, as resources of a hub."""

import contextlib
import subprocess
import sys

from tests.support.hubs import ROOT


@contextlib.contextmanager
def full_servers(**eras):
    """`full_servers(old="2025", new="2026", any="both")`: runs one for each name, and gives them as `servers`."""
    with contextlib.ExitStack() as stack:
        yield {name: {"url": stack.enter_context(_running(era)), "allow_private": True} for name, era in eras.items()}


@contextlib.contextmanager
def _running(era):
    command = [sys.executable, "-m", "tests.support.mcp_full_http", era]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
