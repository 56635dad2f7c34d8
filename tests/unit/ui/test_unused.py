from datetime import UTC, datetime, timedelta

import pytest

from hub.ui.resources import is_unused


@pytest.mark.parametrize(
    ("ago", "days", "unused"),
    [(None, 7, True), (None, 0, True), (8, 7, True), (6, 7, False), (400, 0, False), (31, 30, True)],
)
def test_a_key_is_unused_when_its_last_call_is_long_ago(ago, days, unused):
    last = None if ago is None else (datetime.now(UTC) - timedelta(days=ago)).isoformat()
    assert is_unused({"last_used": last}, days) is unused
