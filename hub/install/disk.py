"""Files of people: read whole, replaced whole, never half; with a copy of what was there before."""

import contextlib
import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hub.core.refusal import Refusal

MAX_BYTES = 16 << 20
PRIVATE = 0o600


def read_text(path: Path) -> str | None:
    """A file's text, byte for byte (what is not UTF-8 survives too); None when there is no file.

    Raises Refusal `unreadable_file`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal("unreadable_file", f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise Refusal("unreadable_file", f"{path} is larger than {MAX_BYTES >> 20} MiB.")
    return data.decode("utf-8", "surrogateescape")


def mode_of(path: Path) -> int:
    """A file's permission bits; 0 when there is none."""
    try:
        return path.stat().st_mode & 0o777
    except OSError:
        return 0


def replace(path: Path, text: str, mode: int) -> None:
    """Put `text` in place of a file in one step: a crash leaves the old one or the new one. Raises Refusal."""
    target = path.resolve()  # a link stays a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(mode)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Refusal("unwritable_file", f"{path} cannot be written: {error.strerror}. Nothing was changed.") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, in a folder that only its owner opens."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o700)
    replace(path, text, PRIVATE)


def back_up(path: Path, text: str) -> Path:
    """Keep a copy beside the file, readable for its owner only: `NAME.bak-20260131-120000-1a2b`."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    target = path.resolve()
    backup = target.with_name(f"{target.name}.bak-{stamp}-{secrets.token_hex(2)}")
    replace(backup, text, PRIVATE)
    return backup


def missing_folders(path: Path) -> int:
    """How many folders have to be made before a file can lie at `path`."""
    return sum(1 for parent in path.resolve().parents if not parent.exists())


def delete(path: Path, folders: int) -> None:
    """Take a file away, and the innermost `folders` folders if that leaves them empty."""
    target = path.resolve()
    target.unlink(missing_ok=True)
    for parent in list(target.parents)[:folders]:
        with contextlib.suppress(OSError):
            parent.rmdir()
