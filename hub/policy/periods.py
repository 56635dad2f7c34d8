"""Calendar periods of budgets, in the budget's own time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {"month": 1, "quarter": 3}


def bounds(period: str, timezone: str, now: float) -> tuple[float, float | None]:
    """Start and end (seconds since the epoch) of the period that holds `now`; a `total` has no end.

    Weeks begin on Monday; the day's length follows the zone's clock changes.
    """
    if period == "total":
        return 0.0, None
    zone = ZoneInfo(timezone)
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period in _MONTHS:
        span = _MONTHS[period]
        first = (midnight.month - 1) // span * span + 1
        start = midnight.replace(day=1, month=first)
        after = first + span
        end = start.replace(year=start.year + (after > 12), month=after - 12 if after > 12 else after)
    else:
        back, days = (midnight.weekday(), 7) if period == "week" else (0, 1)
        start = (midnight.replace(tzinfo=None) - timedelta(days=back)).replace(tzinfo=zone)
        end = (start.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone)
    return start.astimezone(UTC).timestamp(), end.astimezone(UTC).timestamp()
