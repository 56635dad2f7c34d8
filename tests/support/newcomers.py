"""`make run` as a newcomer types it."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time

from tests.support.hubs import ROOT, wait_for


@contextlib.contextmanager
def make_run(folder):
    """`make run` in a copy of the checkout: the folder, what it printed, and when it was typed.

    The environments are the checkout's own: a test installs nothing.
    """
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for name in (".venv", ".servers"):
        (folder / name).symlink_to(ROOT / name)
    for stamp in [*(ROOT / ".servers").glob("*/.done"), ROOT / ".venv" / ".run"]:
        stamp.touch()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HUB_") and not name.endswith("_API_KEY")
    }
    typed = time.monotonic()
    process = subprocess.Popen(
        ["make", "run", "ARGS=--port 0"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        wait_for(lambda: any("OpenAI(" in line for line in lines) or process.poll() is not None, 60)
        yield folder, "".join(lines), typed
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(40)
        reader.join(5)
        process.stdout.close()
