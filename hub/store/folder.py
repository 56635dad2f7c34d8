"""The data folder: private, and held by one hub at a time."""

import fcntl
import os
from pathlib import Path
from typing import Self

from hub.core.refusal import Refusal


class DataFolder:
    """Makes the folder (mode 0700) and holds its lock from entering to leaving.

    The lock is the operating system's, so it ends with the process however the process ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Take the folder. Raises Refusal `data_locked` when another hub holds it, `data_unusable` when it cannot be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = os.open(self.path / "hub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refusal(
                "data_unusable",
                f"The data folder {self.path} cannot be used: {error.strerror}. Name another with --data.",
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 32).decode("ascii", "ignore").strip()
            os.close(lock)
            raise Refusal(
                "data_locked",
                f"Another hub (process {holder or 'unknown'}) uses {self.path}. Stop it, or start this one with another --data.",
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Let the folder go."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def database_url(self) -> str:
        """The embedded database of this folder."""
        return f"sqlite+aiosqlite:///{self.path / 'hub.db'}"
