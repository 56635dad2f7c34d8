"""Calendar periods of budgets, in the budget's own time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def bounds(period: str, timezone: str, now: float, year_starts: int = 1) -> tuple[float, float | None]:
    """Start and end (seconds since the epoch) of the period that holds `now`; a `total` has no end.

    Weeks begin on Monday, quarters and years with the month `year_starts` (1 to 12) or three, six or nine months after
    it; the day's length follows the zone's clock changes.
    """
    if period == "total":
        return 0.0, None
    zone = ZoneInfo(timezone)
    midnight = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period in _MONTHS:
        span = _MONTHS[period]
        months = midnight.year * 12 + midnight.month - 1
        first = months - (months - year_starts + 1) % span
        start, end = (midnight.replace(year=at // 12, month=at % 12 + 1, day=1) for at in (first, first + span))
    else:
        back, days = (midnight.weekday(), 7) if period == "week" else (0, 1)
        start = (midnight.replace(tzinfo=None) - timedelta(days=back)).replace(tzinfo=zone)
        end = (start.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone)
    return start.astimezone(UTC).timestamp(), end.astimezone(UTC).timestamp()
