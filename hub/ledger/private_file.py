"""Appending to a file that only its owner may read."""

import os
from pathlib import Path


def append(path: Path, data: bytes) -> None:
    """Append `data` to the file, made with mode 0600; a symbolic link is not followed. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "ab") as file:
        file.write(data)
