"""Secret references, resolved: env:NAME, file:PATH, vault:NAME."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from hub.core.refusal import Refusal

MAX_BYTES = 65_536


class Secrets:
    """Resolves references. The environment is given, so that only the settings read it."""

    def __init__(self, environment: Mapping[str, str], vault: Callable[[str], Awaitable[str]]) -> None:
        self._environment = environment
        self._vault = vault

    async def resolve(self, reference: str) -> str:
        """The secret that `reference` names. Raises Refusal `secret_missing` that names the reference, never a value."""
        kind, _, name = reference.partition(":")
        if kind == "env":
            value = self._environment.get(name, "")
            if not value:
                raise Refusal("secret_missing", f"The environment variable {name} is not set ({reference}).")
            return value
        if kind == "file":
            return self._file(Path(name), reference)
        if kind == "vault":
            return await self._vault(name)
        raise Refusal("secret_missing", "A secret is written env:NAME, file:PATH or vault:NAME.")

    def _file(self, path: Path, reference: str) -> str:
        try:
            with path.open("rb") as file:
                value = file.read(MAX_BYTES + 1)
            text = value.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise Refusal("secret_missing", f"{reference} cannot be read: {reason}.") from None
        if not text or len(value) > MAX_BYTES:
            raise Refusal("secret_missing", f"{reference} holds no secret, or more than {MAX_BYTES} bytes.")
        return text
