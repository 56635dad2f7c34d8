"""A git repository of one commit, made in memory: blobs, trees, the commit, and the pack that carries them.

The same files make the same commit, byte for byte, on every replica and after every restart.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

BRANCH = "refs/heads/main"
# Commits carry no time of their own: what changes a commit is its files alone.
_WHO = "hub <hub@localhost> 1767225600 +0000"
_TYPES = {"commit": 1, "tree": 2, "blob": 3}
_FILE, _FOLDER = b"100644", b"40000"


@dataclass(frozen=True, slots=True)
class Object:
    """One git object: its type and content."""

    type: str
    content: bytes

    @property
    def id(self) -> str:
        """The SHA-1 by which git names it."""
        head = f"{self.type} {len(self.content)}\0".encode()
        return hashlib.sha1(head + self.content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Repository:
    """One commit with all that it needs."""

    commit: str
    objects: Mapping[str, Object] = field(repr=False)

    def pack(self) -> bytes:
        """All objects as a pack file."""
        parts = [b"PACK" + struct.pack(">II", 2, len(self.objects))]
        for one in self.objects.values():
            parts += [_head(_TYPES[one.type], len(one.content)), zlib.compress(one.content, 6)]
        data = b"".join(parts)
        return data + hashlib.sha1(data, usedforsecurity=False).digest()


def _head(kind: int, size: int) -> bytes:
    """Type and size of an object in a pack: four bits of size in the first byte, seven in each that follows."""
    first = (kind << 4) | (size & 15)
    size >>= 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def repository(files: Mapping[str, bytes], message: str) -> Repository:
    """The repository that holds `files` (path to content)."""
    objects: dict[str, Object] = {}

    def keep(one: Object) -> str:
        identifier = one.id
        objects[identifier] = one
        return identifier

    def tree(prefix: str) -> str:
        inside: dict[str, tuple[bytes, str]] = {}
        for path, content in files.items():
            if not path.startswith(prefix):
                continue
            name, _, rest = path[len(prefix) :].partition("/")
            if rest:
                inside.setdefault(name, (_FOLDER, ""))
            else:
                inside[name] = (_FILE, keep(Object("blob", content)))
        for name, (mode, _) in inside.items():
            if mode == _FOLDER:
                inside[name] = (mode, tree(f"{prefix}{name}/"))
        # Git sorts a folder as if its name ended in a slash.
        ordered = sorted(inside.items(), key=lambda item: (item[0] + ("/" if item[1][0] == _FOLDER else "")).encode())
        rows = [mode + b" " + name.encode() + b"\0" + bytes.fromhex(one) for name, (mode, one) in ordered]
        return keep(Object("tree", b"".join(rows)))

    root = tree("")
    text = f"tree {root}\nauthor {_WHO}\ncommitter {_WHO}\n\n{message}\n"
    return Repository(keep(Object("commit", text.encode())), objects)
