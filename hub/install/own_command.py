"""A client's own command, where it is the better way to its file.

Claude Code rewrites its file whenever it runs: its command waits for its lock, which an editor of the file cannot.
The entry goes over the command's input, so that no key is in a list of processes. Clients whose command takes the key
as an argument, or drops comments, have none here: their file is written.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hub.install import disk
from hub.install.clients import Client
from hub.install.documents import Uneditable, put, read
from hub.install.owned import Entry, Owned, digest_of
from hub.install.paths import ABSENT, find
from hub.install.writing import Chosen, Plan, Put, Where, condition, put_whole

_SECONDS = 30


def way(client: Client, where: Where) -> Put:
    """How a plan of this client gets into its file: by its own command where it has one, else by writing the file."""
    return lambda made, mode: _put(client, where, made, mode)


def _put(client: Client, where: Where, made: Plan, mode: int) -> str:
    entry = made.entry
    at = entry.values[0].at
    is_new = find(read(made.format, made.before or ""), at) is ABSENT
    own = client.own_command
    if own is None or (entry.what, entry.scope) != ("tools", "user") or not is_new:
        return put_whole(made, mode)
    value = find(read(made.format, made.after), at)
    _ran(client, own.add, entry, where, json.dumps(value))
    text = disk.read_text(made.path)
    if text is None or text == made.before:
        return put_whole(made, mode)
    try:  # whatever the command did, what counts is what the file holds now
        return put_whole(replace(made, after=put(made.format, text, at, value)), mode)
    except Uneditable:
        return put_whole(made, mode)


def remove(client: Client, known: Owned, chosen: Chosen, where: Where) -> None:
    """Have the client take entries out of a file that it wrote to since. What it leaves is for the undoing."""
    own = client.own_command
    if own is None:
        return
    for file, entry in known.entries():
        text = disk.read_text(Path(file.path))
        is_its = (entry.what, entry.scope) == ("tools", "user") and chosen(entry)
        if is_its and text is not None and digest_of(text) != file.written and condition(file, entry) == "ok":
            _ran(client, own.remove, entry, where, "")


def _ran(client: Client, arguments: Sequence[str], entry: Entry, where: Where, given: str) -> None:
    """Run the client's program, if it is there. How it ended does not matter: its file is looked at afterwards."""
    program = shutil.which(client.program, path=where.environment.get("PATH", ""))
    if program is None:
        return
    words = [argument.replace("<name>", entry.name) for argument in arguments]
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    try:
        subprocess.run(  # noqa: S603 - the client's own program with the arguments of its template
            [program, *words], input=given, text=True, capture_output=True, timeout=_SECONDS, check=False,
            env={**where.environment, **quiet}, cwd=where.home,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return
