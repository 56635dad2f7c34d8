"""The secrets of keys: made by the hub and kept as hashes, or referred to and resolved anew at each load."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.core.refusal import Fault, InvalidSpec, Refusal
from hub.resources.access import KeySpec
from hub.resources.kinds import Specs
from hub.resources.snapshot import KeySecret
from hub.store.journal import MadeSecret
from hub.store.secrets import Secrets

SHORTEST = 32


def digest(credential: str) -> bytes:
    """The SHA-256 by which a credential is known, as `hub.identity` computes it."""
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Makes keys with `make` (which returns `hub_<id>_<secret>`), and resolves those that are given by reference."""

    make: Callable[[], str]
    secrets: Secrets

    def new(self, key: str) -> tuple[str, MadeSecret]:
        """A new secret for a key: itself, to be shown once, and what is kept of it."""
        credential = self.make()
        identifier = credential.split("_")[1]
        return credential, MadeSecret(key, digest(credential), identifier, credential[-4:], datetime.now(UTC))

    async def given(self, key: str, spec: KeySpec) -> KeySecret | None:
        """The secret that a key's spec refers to, if it does. Raises InvalidSpec when it is missing or too short."""
        if spec.secret is None:
            return None
        path = f"keys.{key}.secret"
        try:
            credential = await self.secrets.resolve(spec.secret)
        except Refusal as refusal:
            raise InvalidSpec([Fault(path, refusal.message)]) from None
        if len(credential) < SHORTEST:
            raise InvalidSpec([Fault(path, f"{spec.secret} is shorter than {SHORTEST} characters")])
        return KeySecret(key, digest(credential), credential[-4:])

    async def given_of(self, specs: Specs) -> tuple[list[KeySecret], list[Fault]]:
        """All secrets that are given by reference, and what is wrong with the others."""
        found: list[KeySecret] = []
        faults: list[Fault] = []
        for name, spec in specs.get("keys", {}).items():
            assert isinstance(spec, KeySpec)
            try:
                secret = await self.given(name, spec)
            except InvalidSpec as invalid:
                faults.extend(invalid.faults)
                continue
            if secret is not None:
                found.append(secret)
        return found, faults


def shared(secrets: Iterable[KeySecret]) -> list[Fault]:
    """A secret that two keys have would let one act as the other."""
    owners: dict[bytes, str] = {}
    faults: list[Fault] = []
    for secret in secrets:
        other = owners.setdefault(secret.digest, secret.key)
        if other != secret.key:
            faults.append(Fault(f"keys.{secret.key}.secret", f"the key '{other}' has the same secret; give it its own"))
    return faults
