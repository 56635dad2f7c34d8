"""The spool: private files, rotation, carrying forward, a full disk, group commit."""

import asyncio
import errno
import os
import stat
import time

import pytest

from hub.core.refusal import Unavailable
from hub.ledger import segment as segment_module
from hub.ledger import spool as spool_module
from hub.ledger.frames import CLOSE, OPEN, scan
from hub.ledger.segment import left_behind
from hub.ledger.spool import Durability, Spool
from tests.support.ledger import until

pytestmark = pytest.mark.anyio


def frames(folder):
    return [(one.kind, one.payload) for path in left_behind(folder) for one in scan(path.read_bytes()).frames]


async def opened(spool, call, payload=b""):
    spool.open(call, payload or call.encode())
    await spool.confirm()


@pytest.fixture
def disk(monkeypatch):
    """A disk that can be made to fail: `disk.error` is an errno, `disk.room` the bytes that still fit."""

    class Disk:
        error = 0
        room = None
        sync_error = 0

    real_write, real_sync = os.write, os.fsync

    def write(fd, data):
        if Disk.error:
            raise OSError(Disk.error, os.strerror(Disk.error))
        if Disk.room is not None:
            data = data[: Disk.room]
            Disk.room -= len(data)
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(fd, data)

    def fsync(fd):
        if Disk.sync_error:
            raise OSError(Disk.sync_error, os.strerror(Disk.sync_error))
        return real_sync(fd)

    monkeypatch.setattr(segment_module.os, "write", write)
    monkeypatch.setattr(spool_module.os, "fsync", fsync)
    return Disk


async def test_folder_and_files_are_private_under_any_umask(tmp_path):
    old = os.umask(0)
    try:
        async with Spool(tmp_path / "spool") as spool:
            spool.open("a", b"{}")
            assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
            assert [stat.S_IMODE(path.stat().st_mode) for path in spool.folder.iterdir()] == [0o600]
    finally:
        os.umask(old)


async def test_an_open_is_in_the_file_when_it_is_confirmed(tmp_path):
    async with Spool(tmp_path) as spool:
        spool.open("a", b'{"id":"a"}')
        await spool.confirm()
        assert frames(tmp_path) == [(OPEN, b'{"id":"a"}')]
        spool.close("a", b'{"done":1}')
        assert frames(tmp_path)[-1] == (CLOSE, b'{"done":1}')
        assert spool.in_flight == 0


async def test_segments_rotate_by_size_and_by_age(tmp_path):
    clock = [0.0]
    async with Spool(tmp_path, segment_bytes=100, segment_seconds=60, clock=lambda: clock[0]) as spool:
        for number in range(4):
            spool.close(str(number), b"x" * 50)
        assert len(spool.segments()) == 2
        clock[0] = 61
        spool.seal_due()
        assert len(spool.segments()) == 3
        spool.seal_due()  # the new one is empty
        assert len(spool.segments()) == 3


async def test_release_carries_running_calls_forward(tmp_path):
    async with Spool(tmp_path, segment_bytes=1) as spool:
        spool.open("long", b"long")
        spool.open("short", b"short")
        spool.close("short", b"done")
        for segment in spool.segments():
            segment.drained = segment.size
        await spool.release()
        assert len(spool.segments()) == 1
        assert (OPEN, b"long") in frames(tmp_path)
        spool.close("long", b"done too")
        assert frames(tmp_path)[-1] == (CLOSE, b"done too")


async def test_a_segment_that_is_not_drained_stays(tmp_path):
    async with Spool(tmp_path, segment_bytes=1) as spool:
        spool.close("a", b"a")
        spool.close("b", b"b")
        spool.segments()[1].drained = spool.segments()[1].size
        await spool.release()
        assert len(spool.segments()) == 2


async def test_at_the_end_only_what_is_needed_stays(tmp_path):
    async with Spool(tmp_path / "a") as spool:
        spool.close("x", b"x")
        spool.segments()[0].drained = spool.segments()[0].size
    assert left_behind(tmp_path / "a") == []
    async with Spool(tmp_path / "b") as spool:
        spool.close("x", b"x")
    assert frames(tmp_path / "b") == [(CLOSE, b"x")]
    async with Spool(tmp_path / "c") as spool:
        spool.open("x", b"x")
        spool.segments()[0].drained = spool.segments()[0].size
    assert frames(tmp_path / "c") == [(OPEN, b"x")]


async def test_a_new_run_never_appends_to_an_old_segment(tmp_path):
    async with Spool(tmp_path) as spool:
        spool.close("x", b"x")
    torn = left_behind(tmp_path)[0]
    torn.write_bytes(torn.read_bytes() + b"C0000torn")
    async with Spool(tmp_path) as spool:
        assert spool.left == (torn,)
        spool.close("y", b"y")
        assert torn.read_bytes().endswith(b"torn")
        assert frames(tmp_path) == [(CLOSE, b"x"), (CLOSE, b"y")]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
async def test_a_disk_that_fails_refuses_new_calls_and_keeps_old_ones(tmp_path, disk, error):
    async with Spool(tmp_path) as spool:
        await opened(spool, "a")
        disk.error = error
        for _ in range(3):
            with pytest.raises(Unavailable) as refused:
                await opened(spool, "b")
            assert refused.value.code == "overloaded"
            assert refused.value.retry_after
        assert spool.in_flight == 1
        spool.close("a", b"closed")  # does not raise
        assert spool.trouble
        with pytest.raises(Unavailable):
            spool.check()
        disk.error = 0
        spool.check()  # works again, without a restart, and what was owed comes first
        assert not spool.trouble
        await opened(spool, "c")
        assert frames(tmp_path) == [(OPEN, b"a"), (CLOSE, b"closed"), (OPEN, b"c")]
        assert len(left_behind(tmp_path)) == 1


async def test_half_a_frame_is_cut_back(tmp_path, disk):
    async with Spool(tmp_path) as spool:
        await opened(spool, "a")
        disk.room = 10
        spool.close("a", b"closed")
        with pytest.raises(Unavailable):
            await opened(spool, "b", b"b" * 100)
        disk.room = None
        await opened(spool, "c")
        found = scan(left_behind(tmp_path)[0].read_bytes())
        assert found.damaged == 0
        assert [one.payload for one in found.frames] == [b"a", b"closed", b"c"]


async def test_a_segment_that_cannot_be_cut_back_is_left_alone(tmp_path, disk, monkeypatch):
    def broken(fd, size):
        raise OSError(errno.EIO, "no")

    async with Spool(tmp_path) as spool:
        await opened(spool, "a")
        disk.room = 10
        monkeypatch.setattr(segment_module.os, "ftruncate", broken)
        spool.close("a", b"closed")
        disk.room = None
        await opened(spool, "c")
        assert frames(tmp_path) == [(OPEN, b"a"), (CLOSE, b"closed"), (OPEN, b"c")]
        assert len(left_behind(tmp_path)) == 2


async def test_what_the_disk_did_not_take_is_written_by_the_next_pass(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", 0.01)
    async with Spool(tmp_path) as spool:
        await opened(spool, "a")
        disk.error = errno.ENOSPC
        spool.close("a", b"closed")
        disk.error = 0
        await until(lambda: frames(tmp_path)[-1] == (CLOSE, b"closed"))
        assert not spool.trouble


async def test_strict_waits_for_an_fsync_that_many_share(tmp_path, monkeypatch):
    syncs = []

    def fsync(fd):
        syncs.append(fd)
        time.sleep(0.005)

    monkeypatch.setattr(spool_module.os, "fsync", fsync)
    async with Spool(tmp_path, durability=Durability.STRICT) as spool:

        async def call(number):
            spool.open(str(number), b"x")
            size = spool.segments()[0].size
            await spool.confirm()
            assert spool.segments()[0].synced >= size

        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(call(number))
        assert 1 <= len(syncs) < 20


async def test_relaxed_does_not_wait_and_syncs_within_the_interval(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", 0.01)
    async with Spool(tmp_path) as spool:
        spool.open("a", b"a")
        confirmed = spool.confirm()
        with pytest.raises(StopIteration):
            confirmed.send(None)  # it does not suspend
        await until(lambda: spool.segments()[0].synced == spool.segments()[0].size)


async def test_an_fsync_that_fails_refuses_until_one_succeeds(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(spool_module, "SYNC_SECONDS", 0.01)
    async with Spool(tmp_path, durability=Durability.STRICT) as spool:
        disk.sync_error = errno.EIO
        spool.open("a", b"a")
        with pytest.raises(Unavailable):
            await spool.confirm()
        with pytest.raises(Unavailable):
            spool.check()
        disk.sync_error = 0
        await until(lambda: not spool.trouble)
        await opened(spool, "c")
        assert len(left_behind(tmp_path)) == 2  # it went on in a file that had not failed
        assert [payload for _, payload in frames(tmp_path)] == [b"a", b"c"]


async def test_waiting_is_answered_at_the_end(tmp_path):
    async with Spool(tmp_path, durability=Durability.STRICT) as spool:
        spool.open("a", b"a")
        waiting = asyncio.ensure_future(spool.confirm())
        await asyncio.sleep(0)
    await waiting
