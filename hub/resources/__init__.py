"""YAML and JSON in, snapshot out: typed specs per kind, whole validation, the pure compiler."""

from hub.resources.cautions import cautions
from hub.resources.compiler import canonical, chain_of, compile_snapshot, principal_of_user
from hub.resources.kinds import KINDS, Specs, dump, parse
from hub.resources.snapshot import KeyGrant, KeySecret, Provider, Snapshot, Target, VirtualModel

__all__ = [
    "KINDS",
    "KeyGrant",
    "KeySecret",
    "Provider",
    "Snapshot",
    "Specs",
    "Target",
    "VirtualModel",
    "canonical",
    "cautions",
    "chain_of",
    "compile_snapshot",
    "dump",
    "parse",
    "principal_of_user",
]
