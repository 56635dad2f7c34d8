"""Which sessions were active last, found among the newest calls and yet the same as among all of them."""

import random

import pytest

from hub.ledger import Filters, Sessions
from hub.ledger.sink import Sink
from tests.support.ledger import entry

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("sessions", [2, 12])
async def test_those_active_last_are_listed_whole_however_far_back_their_calls_lie(engine, tmp_path, sessions):
    chance = random.Random(sessions)
    entries = [
        entry(
            number, at=number * 1000, session=chance.choice(["", *(f"s{one}" for one in range(sessions))]),
            call=chance.choice(["model", "tool"]), key=chance.choice(["a", "b"]), cost_micro_usd=number,
        )
        for number in range(300)
    ]  # fmt: skip
    await Sink(engine, tmp_path / "rejected", ()).write(entries)
    for limit in (1, 5, 50):
        for filters in (Filters(), Filters(key="a"), Filters(since=0.1, until=0.2), Filters(key="nobody")):
            wanted = _listed(entries, filters)[:limit]
            for looked_at in (1, 7, 5_000):
                found = await Sessions(engine, looked_at=looked_at).latest(filters, limit)
                assert [(one.session, one.first, one.last, one.calls, one.cost_micro_usd) for one in found] == wanted
                assert all(one.models + one.tools == one.calls for one in found)


def _listed(entries, filters):
    """The same, the plain way."""
    kept = [
        one
        for one in entries
        if one.session
        and (filters.key is None or one.key == filters.key)
        and (filters.since is None or filters.since * 1e6 <= one.at < filters.until * 1e6)
    ]
    names = sorted({one.session for one in kept}, key=lambda name: -max(o.at for o in kept if o.session == name))
    lines = []
    for name in names:
        own = [one for one in kept if one.session == name]
        times = [one.at for one in own]
        lines.append((name, min(times), max(times), len(own), sum(one.cost_micro_usd for one in own)))
    return lines
