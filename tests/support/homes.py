"""A home of its own for programs that write to people's folders, and what lies in it."""

import contextlib
import io
import os
import signal
import subprocess
from pathlib import Path
from unittest import mock

from hub import cli


class Home:
    """A folder that programs take for the person's home, with a project beside it."""

    def __init__(self, folder, hub):
        self.folder = Path(folder) / "home"
        self.project = Path(folder) / "project"
        self.folder.mkdir(parents=True)
        self.project.mkdir()
        self.hub = hub

    def end_programs(self):
        """End what programs left running in this home, such as a daemon that one of them starts."""
        mark = f"HOME={self.folder}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)

    def environment(self, **more):
        """Variables for a program that runs in this home: nothing of the real one but where programs are."""
        return {
            "HOME": str(self.folder), "USERPROFILE": str(self.folder), "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "200", **more,
        }  # fmt: skip

    def cli(self, *arguments, key=None, check=True, **more):
        """Run `hub` here, against the hub under test, in this process: starting one costs more than the command."""
        variables = self.environment(**{"HUB_URL": self.hub.url, "HUB_KEY": key or self.hub.admin_key, **more})
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.dict(os.environ, variables, clear=True),
            contextlib.chdir(self.project),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                cli.main(list(arguments))
            except SystemExit as ended:
                code = ended.code
        done = subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def files(self):
        """Every file in the home and the project, by path."""
        root = self.folder.parent
        return {
            str(path.relative_to(root)): path.read_bytes()
            for folder in (self.folder, self.project)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@contextlib.contextmanager
def home_of(folder, hub):
    """A person's home, where programs that a test leaves running end with it."""
    made = Home(folder, hub)
    try:
        yield made
    finally:
        made.end_programs()
