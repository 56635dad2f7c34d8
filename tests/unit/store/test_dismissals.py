"""What people put away, on each kind of database."""

import asyncio

import pytest

from hub.store import Dismissals

pytestmark = pytest.mark.anyio


async def test_each_person_has_their_own_and_the_last_digest_counts(store):
    kept = Dismissals(store.engine)
    await kept.put("ann", "a", "first", ["a", "b"])
    await kept.put("ann", "b", "first", ["a", "b"])
    await kept.put("bob", "a", "first", ["a", "b"])
    await kept.put("ann", "a", "second", ["a", "b"])
    assert await kept.of("ann") == {"a": "second", "b": "first"}
    await kept.remove("ann", "b")
    assert await kept.of("ann") == {"a": "second"}
    assert await kept.of("bob") == {"a": "first"}


async def test_what_is_gone_is_forgotten(store):
    kept = Dismissals(store.engine)
    await kept.put("ann", "gone", "x", ["gone"])
    await kept.put("ann", "new", "x", ["new"])
    assert await kept.of("ann") == {"new": "x"}


async def test_the_same_twice_at_once_is_no_error(store):
    kept = Dismissals(store.engine)
    await asyncio.gather(*(kept.put("ann", "a", f"{number}", ["a"]) for number in range(8)))
    assert list(await kept.of("ann")) == ["a"]
