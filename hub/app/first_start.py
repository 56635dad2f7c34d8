"""What a hub does with an empty data folder, and with what it is started with: admin, providers, files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.core.refusal import Fault, InvalidSpec
from hub.resources.files import load, parse_all
from hub.resources.provider_kinds import KINDS
from hub.store import Actor, Resources

SYSTEM = Actor("system", source="start")
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Started:
    """What there is to tell the operator, once: a made admin key, and whether this was the first start."""

    first: bool
    admin_key: str | None = None


async def ensure_admin(resources: Resources, admin_key_given: bool) -> Started:
    """Make the `admin` user and key on an empty hub. With HUB_ADMIN_KEY set, that is the key's secret."""
    first = await resources.find("users", ADMIN) is None
    if first:
        await resources.put("users", ADMIN, {"title": "Administrator", "role": "admin"}, SYSTEM)
    spec = {"title": "Administrator", "user": ADMIN}
    if admin_key_given:
        spec["secret"] = "env:HUB_ADMIN_KEY"  # noqa: S105 - a reference
    old = await resources.find("keys", ADMIN)
    if old is not None and (old.spec == spec or not admin_key_given):
        return Started(first)
    written = await resources.put("keys", ADMIN, spec, SYSTEM)
    return Started(first, written.secret)


async def ensure_providers(resources: Resources, present: Mapping[str, str]) -> list[str]:
    """Configure each provider whose well-known variable is set and that nobody has configured. Returns their names."""
    made: list[str] = []
    for kind, row in KINDS.items():
        if row.env and present.get(row.env) and await resources.find("providers", kind) is None:
            await resources.put("providers", kind, {"kind": kind, "api_key": f"env:{row.env}"}, SYSTEM)
            made.append(kind)
    return made


async def apply_files(resources: Resources, paths: list[Path]) -> int:
    """Apply files at start, as `hub apply` would. Returns how many resources changed. Raises InvalidSpec with lines."""
    loaded = load(paths)
    parse_all(loaded)
    source = "file:" + ",".join(str(path) for path in paths)
    try:
        return len(await resources.apply(loaded.resources, SYSTEM, source=source, prune=True))
    except InvalidSpec as invalid:
        raise InvalidSpec(
            [Fault(f.path, f.message, f.source or loaded.where(f.path)) for f in invalid.faults]
        ) from None
