"""The official conformance suite against a profile over a full-featured server: all that both revisions require."""

import contextlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.paths.test_mcp_matrix import full_server
from tests.support.hubs import running_hub, servers_ready

pytestmark = [pytest.mark.clients, pytest.mark.slow]
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"
SUMMARY = re.compile(r"Total: (\d+) passed, (\d+) failed")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        servers = {"full": {"url": stack.enter_context(full_server("both")), "allow_private": True}}
        profiles = {"full": {"security": "none", "prefix": "never", "servers": {"full": {}}}}
        folder = tmp_path_factory.mktemp("conformance")
        started = stack.enter_context(running_hub(folder, {"servers": servers, "profiles": profiles}))
        servers_ready(started, *servers)
        yield f"{started.url}/mcp/full"


@pytest.mark.parametrize(("revision", "least"), [("2025-11-25", 80), ("2026-07-28", 195)])
def test_every_scenario_that_a_revision_requires_and_the_unscored_ones_pass(url, revision, least, tmp_path):
    command = [BIN / "node", BIN / "conformance", "server", "--url", url, "--requirements", revision]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    summary = done.stdout[done.stdout.find("=== SUMMARY ===") :]
    passed, failed = map(int, SUMMARY.search(summary).groups())
    assert failed == 0, summary
    assert passed >= least, summary
    assert re.search(r"Not scored for .*: \d+ scenario\(s\) run, 0 failing", summary), summary
