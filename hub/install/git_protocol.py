"""Git's smart protocol, the reading half: what a server says to clones and fetches, in version 2 and the one before.

Bytes in, bytes out. A repository here has one commit without parents, so there is nothing to negotiate: whoever
wants it gets all of it, at any depth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub.core.refusal import Malformed
from hub.install.git_objects import BRANCH, Repository

FLUSH, DELIMITER, END = b"0000", b"0001", b"0002"
_BAND = 65_515
_MOST_LINES = 4096
_AGENT = "agent=hub"
_V0 = f"multi_ack_detailed no-done side-band-64k shallow no-progress ofs-delta symref=HEAD:{BRANCH} object-format=sha1 {_AGENT}"


def packet(text: str | bytes) -> bytes:
    """One line with its length before it."""
    data = text.encode() if isinstance(text, str) else text
    return b"%04x%b" % (len(data) + 4, data)


def packets(data: bytes) -> Iterator[bytes | None]:
    """The lines of a request without their line ends; None where a section ends. Raises Malformed."""
    at = count = 0
    while at < len(data):
        count += 1
        head = data[at : at + 4]
        try:
            length = int(head, 16)
        except ValueError:
            raise Malformed("malformed", "This is not git's protocol.") from None
        if count > _MOST_LINES or 2 < length < 4 or at + length > len(data):
            raise Malformed("malformed", "This is not git's protocol, or too long a negotiation.")
        if length < 4:
            yield None
            at += 4
            continue
        yield data[at + 4 : at + length].removesuffix(b"\n")
        at += length


def advertisement(repository: Repository, *, version: int) -> bytes:
    """The answer to `GET info/refs?service=git-upload-pack`."""
    head = packet("# service=git-upload-pack\n") + FLUSH
    if version == 2:
        lines = ("version 2", _AGENT, "ls-refs=unborn", "fetch=shallow", "object-format=sha1")
        return head + b"".join(packet(f"{line}\n") for line in lines) + FLUSH
    first = packet(f"{repository.commit} HEAD\0{_V0}\n")
    return head + first + packet(f"{repository.commit} {BRANCH}\n") + FLUSH


def answer(repository: Repository, body: bytes, *, version: int) -> bytes:
    """The answer to `POST git-upload-pack`. Raises Malformed."""
    lines = list(packets(body))
    if version != 2:
        return _fetch_before_2(repository, _Wish.of(lines))
    command = lines[0] if lines else None
    arguments = lines[lines.index(None) + 1 :] if None in lines else lines[1:]
    if command == b"command=ls-refs":
        return _ls_refs(repository, arguments)
    if command == b"command=fetch":
        return _fetch(repository, _Wish.of(arguments))
    raise Malformed("malformed", "This repository answers ls-refs and fetch.")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client wants and has."""

    wants: tuple[bytes, ...]
    haves: tuple[bytes, ...]
    done: bool
    deepens: bool
    band: bool

    @classmethod
    def of(cls, lines: Sequence[bytes | None]) -> "_Wish":
        words = [line for line in lines if line is not None]
        wants = [line for line in words if line.startswith(b"want ")]
        return cls(
            wants=tuple(line[5:45] for line in wants),
            haves=tuple(line[5:45] for line in words if line.startswith(b"have ")),
            done=b"done" in words,
            deepens=any(line.startswith((b"deepen ", b"deepen-")) for line in words),
            band=any(b"side-band-64k" in line for line in wants),
        )


def _ls_refs(repository: Repository, arguments: Sequence[bytes | None]) -> bytes:
    prefixes = tuple(line[11:] for line in arguments if line is not None and line.startswith(b"ref-prefix "))
    target = f" symref-target:{BRANCH}" if b"symrefs" in arguments else ""
    refs = (("HEAD", f"{repository.commit} HEAD{target}\n"), (BRANCH, f"{repository.commit} {BRANCH}\n"))
    wanted = [line for name, line in refs if not prefixes or name.encode().startswith(prefixes)]
    return b"".join(map(packet, wanted)) + FLUSH


def _refused(repository: Repository, wish: _Wish) -> bytes | None:
    commit = repository.commit.encode()
    foreign = next((want for want in wish.wants if want != commit), None)
    if foreign is None and wish.wants:
        return None
    name = foreign.decode("ascii", "replace") if foreign else "nothing"
    return packet(f"ERR upload-pack: not our ref {name}; the profile has changed: fetch again\n")


def _fetch(repository: Repository, wish: _Wish) -> bytes:
    refused = _refused(repository, wish)
    if refused is not None:
        return refused
    out: list[bytes] = []
    if not wish.done:
        known = repository.commit.encode() in wish.haves
        out += [packet("acknowledgments\n"), packet(f"ACK {repository.commit}\n" if known else "NAK\n")]
        if not known:
            return b"".join([*out, FLUSH])
        out += [packet("ready\n"), DELIMITER]
    if wish.deepens:  # the commit has no parents, so no depth cuts it off
        out += [packet("shallow-info\n"), DELIMITER]
    return b"".join([*out, packet("packfile\n"), *_banded(repository.pack()), FLUSH])


def _fetch_before_2(repository: Repository, wish: _Wish) -> bytes:
    refused = _refused(repository, wish)
    if refused is not None:
        return refused
    out = [FLUSH] if wish.deepens else []
    if not wish.done and wish.haves:
        return b"".join([*out, packet("NAK\n")])
    if not wish.done:
        return b"".join(out)
    pack = repository.pack()
    return b"".join([*out, packet("NAK\n"), *([*_banded(pack), FLUSH] if wish.band else [pack])])


def _banded(pack: bytes) -> Iterator[bytes]:
    for at in range(0, len(pack), _BAND):
        yield packet(b"\x01" + pack[at : at + _BAND])
