"""The data folder: private, and held by one hub at a time."""

import fcntl
import os
from pathlib import Path
from typing import Self

from hub.core.refusal import Refusal

_LOCK = "hub.lock"
_WORKERS = "workers"
_OURS = {_LOCK, "hub.db", "vault.key"}
_NOBODYS = {"lost+found"}


class DataFolder:
    """Makes the folder (mode 0700) and holds its lock from entering to leaving.

    The lock is the operating system's, so it ends with the process however the process ends. The first of several
    workers has `home` itself, each other one a folder of its own in it: what they share stays at home.
    """

    def __init__(self, home: Path, worker: int = 1) -> None:
        self.home = home.absolute()
        self.path = self.home if worker == 1 else self.home / _WORKERS / str(worker)
        self._lock: int | None = None

    @property
    def database_url(self) -> str:
        """The embedded database of this folder."""
        return f"sqlite+aiosqlite:///{self.path / 'hub.db'}"

    @property
    def ring_file(self) -> Path:
        """Where the vault keeps its own keys."""
        return self.home / "vault.key"

    @property
    def spool(self) -> Path:
        """Where the ledger keeps what the database does not have yet."""
        return self.path / "spool"

    @property
    def exports(self) -> Path:
        """Where exports to files are written."""
        return self.home / "exports"

    @property
    def counted(self) -> Path:
        """Where the workers leave for each other what they count."""
        return self.home / "counted"

    def beyond(self, workers: int) -> "list[DataFolder]":
        """The folders of workers that there are not any more."""
        found = self.home / _WORKERS
        names = [entry.name for entry in found.iterdir()] if found.is_dir() else []
        numbers = sorted(int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 6)
        return [DataFolder(self.home, number) for number in numbers if number > max(workers, 1)]

    @property
    def catalogue(self) -> Path | None:
        """The model catalogue that was taken in place of the bundled one, or None."""
        file = self.home / "catalog.json"
        return file if file.is_file() else None

    def __enter__(self) -> Self:
        """Take the folder. Raises Refusal `data_locked` when another hub holds it, `data_unusable` when it cannot be."""
        try:
            self._make()
            lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 32).decode("ascii", "ignore").strip()
            os.close(lock)
            raise Refusal(
                "data_locked",
                f"Another hub (process {holder or 'unknown'}) uses {self.path}. "
                "Stop it, or start this one with another --data.",
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

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            status = self.path.stat()
            if not status.st_mode & 0o077:
                return
            self._check_is_for_us()
            if status.st_uid != os.geteuid():
                return  # a mounted volume that is somebody else's: every file in it is private by itself
        self.path.chmod(0o700)

    def _check_is_for_us(self) -> None:
        # `--data /tmp` or `--data ~` must not close a folder that others use.
        names = {entry.name for entry in self.path.iterdir()} - _NOBODYS
        if names and not names & _OURS:
            raise self._unusable("it holds other files, and others can read it")

    def _unusable(self, reason: str) -> Refusal:
        message = f"The data folder {self.path} cannot be used: {reason}. Name another with --data."
        return Refusal("data_unusable", message)
