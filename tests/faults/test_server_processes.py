"""Processes of stdio servers, and what they start: gone with their server, and with the hub however it ends."""

import os
import signal
from pathlib import Path

import httpx2
import pytest

from tests.support.hubs import running_hub, servers_ready, wait_for
from tests.support.mcp_pool import alive
from tests.support.mcp_upstreams import stdio_command

pytestmark = [pytest.mark.slow]


@pytest.fixture
def hub(tmp_path):
    """A hub with two servers that have each a child, one in the server's process group and one that left it."""
    files = {kind: tmp_path / f"{kind}.pids" for kind in ("fork", "stray")}
    servers = {
        kind: {
            "command": stdio_command("2026", f"--{kind}", "--ignore-sigterm", "--ignore-eof", "--pid-file", str(file))
        }
        for kind, file in files.items()
    }
    with running_hub(tmp_path / "hub") as started:
        for name, spec in servers.items():
            started.put("servers", name, spec)
        servers_ready(started, *servers)
        started.families = {kind: [int(pid) for pid in file.read_text().split()] for kind, file in files.items()}
        assert all(alive(pid) for family in started.families.values() for pid in family)
        yield started


def wardens(hub):
    """The warden of a hub: found by its parent and its command."""
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"mcp/warden.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def all_gone(hub):
    return not any(alive(pid) for family in hub.families.values() for pid in family)


def test_nothing_is_left_at_once_when_the_hub_is_killed(hub):
    (warden,) = wardens(hub)
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait(10)
    wait_for(lambda: all_gone(hub) and not alive(warden), 5)


def test_nothing_is_left_when_the_hubs_whole_group_is_stopped_like_with_ctrl_c(hub):
    hub.process.send_signal(signal.SIGINT)
    hub.process.wait(40)
    wait_for(lambda: all_gone(hub), 5)


def test_a_server_that_is_removed_takes_along_what_left_its_group(hub):
    with hub.client() as http:
        http.delete("/api/v1/servers/stray").raise_for_status()
    wait_for(lambda: not any(map(alive, hub.families["stray"])), 30)
    assert all(map(alive, hub.families["fork"]))


def test_a_warden_that_is_lost_is_replaced_with_the_next_server_and_knows_the_others(hub, tmp_path):
    (warden,) = wardens(hub)
    os.kill(warden, signal.SIGKILL)
    wait_for(lambda: not alive(warden))
    hub.put("servers", "third", {"command": stdio_command("2026")})
    servers_ready(hub, "third")
    (another,) = [pid for pid in wardens(hub) if alive(pid)]
    assert another != warden
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait(10)
    wait_for(lambda: all_gone(hub) and not alive(another), 5)


def test_the_warden_costs_little_and_has_nothing_of_the_hubs_environment(hub):
    (warden,) = wardens(hub)
    resident = int(Path(f"/proc/{warden}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident < 16 << 20, resident
    assert Path(f"/proc/{warden}/environ").read_bytes() == b""
    assert httpx2.get(f"{hub.url}/healthz").status_code == 200
