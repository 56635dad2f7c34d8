"""A running hub, as its users start it: `hub serve` in a process of its own, on a free port."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import yaml

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "test-admin-key-0123456789-0123456789"
STDIO_SERVER = [sys.executable, "-m", "tests.support.mcp_stdio"]

RESOURCES = {
    "providers": {"demo": {"kind": "demo"}},
    "models": {
        "demo": {
            "targets": [{"model": "demo/demo-1"}],
            "price": {"input": "0.10", "output": "0.40"},
            "context_window": 32000,
        }
    },
    "servers": {
        "old": {"command": [*STDIO_SERVER, "--era", "2025"], "cwd": str(ROOT)},
        "new": {"command": [*STDIO_SERVER, "--era", "2026"], "cwd": str(ROOT)},
        "hub": {"builtin": "hub"},
    },
    "profiles": {"both": {"title": "Both eras", "servers": {"old": {}, "new": {}, "hub": {}}}},
}


class RunningHub:
    """A hub process: its address, a client with the admin key, and what it printed."""

    def __init__(self, process, url, data):
        self.process = process
        self.url = url
        self.data = data
        self.output = []
        self.admin_key = ADMIN_KEY
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def client(self, key=ADMIN_KEY, **options):
        """An HTTP client with a key."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, **options)

    def put(self, kind, name, spec):
        """Write a resource; returns the answer."""
        with self.client() as client:
            response = client.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
            assert response.status_code in (200, 201), response.text
            return response.json()

    def cli(self, *arguments, key=ADMIN_KEY, check=True, stdin=None):
        """Run the command line against this hub."""
        environment = {**os.environ, "HUB_URL": self.url, "HUB_KEY": key}
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, input=stdin, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def stop(self, number=signal.SIGTERM, timeout=40):
        """Stop it; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


def servers_ready(hub, *names, seconds=120):
    """Return when the hub knows what these servers offer."""
    with hub.client() as http:
        for name in names:
            wait_for(
                lambda name=name: http.get(f"/api/v1/servers/{name}").json()["status"].get("state") == "ready", seconds
            )


def wait_for(read, seconds=15):
    """What `read` gives as soon as it gives something true."""
    ends = time.monotonic() + seconds
    while not (found := read()):
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running_hub(folder, resources=None, environment=None, arguments=(), admin_key=ADMIN_KEY):
    """Start a hub with resources in a folder; stops it at the end."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    applied = []
    if resources is not None:
        file = folder / "resources.yaml"
        file.write_text(yaml.safe_dump(resources))
        applied = ["--apply", str(file)]
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HUB_") and not name.endswith("_API_KEY")
    }
    settings = {**inherited, **({"HUB_ADMIN_KEY": admin_key} if admin_key else {}), **(environment or {})}
    port = () if "--port" in arguments else ("--port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "serve", *port, "--data", str(folder / "data"), *applied, *arguments],
        cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("hub is ready at "):
                break
        else:
            raise AssertionError("the hub did not start:\n" + "".join(lines))
        hub = RunningHub(process, line.removeprefix("hub is ready at ").strip(), folder / "data")
        hub.output[:0] = lines
        yield hub
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
