"""The official conformance suite: a profile as its server, and the hub's side towards servers as its client."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hubs import ADMIN_KEY, ROOT, running_hub, servers_ready
from tests.support.mcp_full_running import full_servers

pytestmark = [pytest.mark.clients, pytest.mark.slow]
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"
SUMMARY = re.compile(r"Total: (\d+) passed, (\d+) failed")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(full_servers(full="both"))
        profiles = {"full": {"security": "none", "prefix": "never", "servers": {"full": {}}}}
        folder = tmp_path_factory.mktemp("conformance")
        started = stack.enter_context(running_hub(folder, {"servers": servers, "profiles": profiles}))
        servers_ready(started, *servers)
        yield f"{started.url}/mcp/full"


@pytest.mark.parametrize(("revision", "scored", "least"), [("2025-11-25", 30, 80), ("2026-07-28", 37, 195)])
def test_every_scenario_that_a_revision_requires_and_the_unscored_ones_pass(url, revision, scored, least, tmp_path):
    command = [BIN / "node", BIN / "conformance", "server", "--url", url, "--requirements", revision]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    summary = done.stdout[done.stdout.find("=== SUMMARY ===") :]
    passed, failed = map(int, SUMMARY.search(summary).groups())
    assert failed == 0, summary
    assert passed >= least, summary
    unscored = re.search(r"Not scored for .*: (\d+) scenario\(s\) run, 0 failing", summary)
    assert unscored, summary
    assert len(re.findall(r"^✓ \S+: \d+ passed, 0 failed$", summary, re.MULTILINE)) - int(unscored[1]) == scored, (
        summary
    )


# Every scenario for clients of these revisions that is not about authorization.
OLD = [
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "json-schema-2020-12-preservation",
]
NEW = [
    "tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers", "http-custom-headers",
    "http-invalid-tool-headers", "json-schema-ref-no-deref", "json-schema-2020-12-preservation",
]  # fmt: skip
RUNS = [("2025-06-18", "initialize"), *(("2025-11-25", one) for one in OLD), *(("2026-07-28", one) for one in NEW)]


@pytest.fixture(scope="module")
def empty_hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("client"), {}) as started:
        yield started


@pytest.mark.parametrize(("revision", "scenario"), RUNS)
def test_the_hub_passes_as_the_client_of_a_scenarios_server(empty_hub, revision, scenario, tmp_path):
    suite = [
        BIN / "node",
        BIN / "conformance",
        "client",
        "--scenario",
        scenario,
        "--spec-version",
        revision,
        "--verbose",
    ]
    client = f"{sys.executable} -m tests.support.conformance_client"
    environment = {**os.environ, "HUB_URL": empty_hub.url, "HUB_KEY": ADMIN_KEY}
    command = [*suite, "--command", client, "--output-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert re.search(r"Passed: (\d+)/\1, 0 failed, 0 warnings", said), said


def test_no_scenario_for_clients_is_left_out():
    command = [BIN / "node", BIN / "conformance", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    of_clients = listed.partition("Client scenarios")[2].partition("Authorization server")[0]
    named = {name for name, tags in re.findall(r"- (\S+) \[(.*)\]", of_clients) if "extension" not in tags}
    assert {name for name in named if not name.startswith("auth/")} == {*OLD, *NEW}
