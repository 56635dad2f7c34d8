"""What is wrong with this installation?"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hub import __version__
from hub.cli.client import Connection
from hub.cli.output import say, show_json
from hub.core.refusal import Refusal
from hub.settings import Settings

Finding = tuple[str, str, str]  # state (ok, warn, fail), what, detail and remedy


def _machine() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield ("ok" if sys.version_info >= (3, 11) else "fail", "python", f"{version} (3.11 or newer is needed)")
    for module in ("uvloop", "httptools", "re2"):
        try:
            __import__(module)
        except ImportError as error:
            yield "fail", module, f"cannot be imported: {error}; install the hub anew"
        else:
            yield "ok", module, "compiled extension is here"


def _settings() -> Iterator[Finding]:
    try:
        settings = Settings()
    except ValueError as error:
        yield "fail", "settings", str(error)
        return
    for name, hint in settings.unknown:
        yield "warn", name, f"is not a setting of the hub{hint}"
    yield "ok", "settings", f"{len(type(settings).model_fields)} settings, read from HUB_*"


def _folder(data: Path) -> Iterator[Finding]:
    if not data.exists():
        yield "ok", "data", f"{data} does not exist yet; the first start makes it"
        return
    mode = data.stat().st_mode & 0o777
    yield (
        "ok" if mode & 0o077 == 0 else "fail",
        "data",
        f"{data} has mode {mode:04o}" + (" (chmod 700 it)" if mode & 0o077 else ""),
    )
    yield ("ok" if os.access(data, os.W_OK) else "fail", "data is writable", str(data))
    free = shutil.disk_usage(data).free // 2**20
    yield ("ok" if free > 500 else "warn", "disk", f"{free} MiB free")
    for secret in data.glob("*.key"):
        mode = secret.stat().st_mode & 0o777
        yield (
            "ok" if mode == 0o600 else "fail",
            secret.name,
            f"mode {mode:04o}" + ("" if mode == 0o600 else " (chmod 600 it)"),
        )


def _running(connection: Connection) -> Iterator[Finding]:
    with connection.api() as api:
        try:
            ready = api.is_ready()
        except Refusal as refusal:
            yield "warn", "hub", refusal.message
            return
        yield ("ok" if ready else "fail"), "hub", f"{'ready' if ready else 'not ready'} at {api.url}"
        if not connection.key:
            yield "warn", "key", "set HUB_KEY (or --key) to look inside the running hub"
            return
        try:
            instance = api.call("GET", "/api/v1/instance")
        except Refusal as refusal:
            yield "fail", "key", refusal.message
            return
    yield (
        "ok" if instance["version"] == __version__ else "warn",
        "version",
        f"hub {instance['version']}, command line {__version__}",
    )
    audit = instance["audit"]
    yield (
        "ok" if audit["ok"] else "fail",
        "audit",
        f"{audit['rows']} rows" + ("" if audit["ok"] else f": {audit['fault']}"),
    )
    for server in instance["servers"]:
        good = server["state"] in ("ready", "idle")
        yield (
            "ok" if good else "warn",
            f"server {server['name']}",
            server["state"] + (f": {server['error']}" if server["error"] else ""),
        )
    for provider in instance["providers"]:
        yield ("ok" if provider["ok"] else "fail", f"provider {provider['name']}", provider["detail"])


def doctor(
    *,
    data: Annotated[Path, Parameter(help="The hub's data folder.")] = Path(".hub"),
    connection: Connection = Connection(),
) -> int:
    """Check this installation and, if one is running, the hub. Exit status 1 when something is broken."""
    findings = [*_machine(), *_settings(), *_folder(data), *_running(connection)]
    if connection.json:
        show_json([{"state": state, "what": what, "detail": detail} for state, what, detail in findings])
    else:
        for state, what, detail in findings:
            say(f"{state:4}  {what}: {detail}")
    return 1 if any(state == "fail" for state, _, _ in findings) else 0
