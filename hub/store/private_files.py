"""Files that only the hub's own user may read."""

import os
from pathlib import Path

from hub.core.refusal import Refusal


def write_private(file: Path, content: bytes) -> None:
    """Write a file of mode 0600, atomically and on the disk, whatever the umask."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(file)


def read_private(file: Path) -> bytes:
    """Read a file that must be private. Raises Refusal `vault_key` when others may read it."""
    if file.stat().st_mode & 0o077:
        raise Refusal("vault_key", f"{file} can be read by others. Make it private: chmod 600 {file}")
    return file.read_bytes()
