"""Files that only the hub's own user may read."""

import os
from pathlib import Path

from hub.core.refusal import Refusal


def write_private(file: Path, content: bytes) -> None:
    """Write a file of mode 0600, atomically and on the disk, whatever the umask."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:  # noqa: PTH123 - of a descriptor
        os.fchmod(handle.fileno(), 0o600)
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(file)
    # The new name is on the disk only when its folder is.
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(file: Path) -> bytes:
    """Read a file that must be private. Raises Refusal `vault_key` when others may read it."""
    if file.stat().st_mode & 0o077:
        raise Refusal("vault_key", f"{file} can be read by others. Make it private: chmod 600 {file}")
    return file.read_bytes()


def make_private(file: Path) -> None:
    """Create an empty file of mode 0600, or give the one that is there this mode."""
    if file.exists():
        # Not opened: closing a descriptor would drop the locks that SQLite holds on the file in this process.
        file.chmod(0o600)
        return
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    file.chmod(0o600)
