"""The repository made in memory, as git itself reads it: object ids, packs, and both versions of the protocol."""

import subprocess

import pytest

from hub.core.refusal import Malformed
from hub.install.git_objects import Object, repository
from hub.install.git_protocol import DELIMITER, FLUSH, advertisement, answer, packet, packets

FILES = {
    "README.md": b"hello\n", "a/b.txt": b"x" * 5000, "a/c/d.json": b"{}", "a-b": b"", "a.b": b"\x00\xff" * 40_000,
    "ab": "\u00e9".encode(), ".hidden/x": b"1",
}  # fmt: skip


def git(folder, *arguments, stdin=None):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], input=stdin, capture_output=True, check=True, env=environment
    )
    return done.stdout


def test_ids_are_gits_own(tmp_path):
    git(tmp_path, "init", "-q")
    assert Object("blob", b"hello\n").id == git(tmp_path, "hash-object", "--stdin", stdin=b"hello\n").decode().strip()


def test_a_pack_is_whole_and_checks_out(tmp_path):
    made = repository(FILES, "all")
    git(tmp_path, "init", "-q")
    git(tmp_path, "unpack-objects", "-q", "--strict", stdin=made.pack())
    git(tmp_path, "checkout", "-q", made.commit)
    git(tmp_path, "fsck", "--strict")
    found = {
        str(p.relative_to(tmp_path)): p.read_bytes()
        for p in tmp_path.rglob("*")
        if p.is_file() and ".git/" not in str(p)
    }
    assert found == FILES


def test_the_same_files_are_the_same_commit():
    assert repository(FILES, "m").commit == repository(dict(reversed(FILES.items())), "m").commit
    assert repository(FILES, "m").commit != repository({**FILES, "ab": b"2"}, "m").commit
    assert repository(FILES, "m").pack() == repository(FILES, "m").pack()


def test_version_2_lists_and_fetches():
    made = repository(FILES, "m")
    assert b"version 2" in advertisement(made, version=2)
    listed = answer(made, packet("command=ls-refs\n") + DELIMITER + packet("symrefs\n") + FLUSH, version=2)
    assert listed.count(made.commit.encode()) == 2
    assert b"symref-target:refs/heads/main" in listed
    tags = answer(made, packet("command=ls-refs") + DELIMITER + packet("ref-prefix refs/tags/\n") + FLUSH, version=2)
    assert tags == FLUSH
    want = packet("command=fetch") + DELIMITER + packet(f"want {made.commit}\n") + packet("deepen 1\n")
    fetched = answer(made, want + packet("done\n") + FLUSH, version=2)
    assert b"packfile\n" in fetched
    assert b"PACK" in fetched
    waiting = answer(made, want + packet(f"have {'0' * 40}\n") + FLUSH, version=2)
    assert waiting == packet("acknowledgments\n") + packet("NAK\n") + FLUSH
    ready = answer(made, want + packet(f"have {made.commit}\n") + FLUSH, version=2)
    assert b"ready\n" in ready


@pytest.mark.parametrize("version", [0, 2])
def test_what_is_not_there_is_refused_in_gits_words(version):
    made = repository(FILES, "m")
    head = packet("command=fetch") + DELIMITER if version == 2 else b""
    refused = answer(made, head + packet(f"want {'1' * 40}\n") + FLUSH + packet("done\n"), version=version)
    assert b"ERR upload-pack: not our ref" in refused


@pytest.mark.parametrize("body", [b"zzzz", b"0003x", b"00ff", b"\xff\xff\xff\xff", b"0005"])
def test_what_is_not_git_is_refused(body):
    with pytest.raises(Malformed):
        list(packets(body))
    with pytest.raises(Malformed):
        answer(repository({"a": b""}, "m"), body + packet("x"), version=2)


def test_a_negotiation_without_end_is_refused():
    with pytest.raises(Malformed, match="too long"):
        list(packets(b"0000" * 5000))
