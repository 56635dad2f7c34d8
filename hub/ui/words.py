"""How values read on a page: money, counts, times, durations, sizes."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import yaml
from markupsafe import Markup, escape

from hub.ui.conditions import missed, told

NOTHING = "\u2013"
_EARLY = 0.02  # of a period: before that, any rate is chance
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("python", "Python"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def ago(text: Any) -> str:
    """How far from now an ISO 8601 time lies, in words: `3 min ago`, `in 2 d`."""
    at = _instant(text) if text else None
    if at is None:
        return NOTHING
    seconds = int((datetime.now(UTC) - at).total_seconds())
    if abs(seconds) < 5:
        return "just now"
    size, unit = next((size, unit) for size, unit in _STEPS if abs(seconds) >= size)
    return f"{seconds // size} {unit} ago" if seconds > 0 else f"in {-seconds // size} {unit}"


def exact(text: Any) -> str:
    """An ISO 8601 time to the second, in UTC."""
    at = _instant(text) if text else None
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else NOTHING


def money(micro_usd: int | None) -> str:
    """Micro-dollars as USD, with as many places as say something; unknown is said to be so."""
    if micro_usd is None:
        return "unknown"
    if micro_usd == 0:
        return "$0"
    return f"${micro_usd / 1e6:,.2f}" if abs(micro_usd) >= 100_000 else f"${micro_usd / 1e6:.6f}"


def usd(text: Any) -> str:
    """A decimal text of dollars, as the API writes it."""
    try:
        return money(round(float(text) * 1e6))
    except (TypeError, ValueError):
        return NOTHING


def forecast(status: Any) -> int | None:
    """What a budget will have spent at its reset if it goes on as until now, in micro-dollars; None while too early."""
    begins, ends = _instant(status.get("starts_at")), _instant(status.get("resets_at"))
    if begins is None or ends is None or "spent_usd" not in status:
        return None
    passed, whole = (datetime.now(UTC) - begins).total_seconds(), (ends - begins).total_seconds()
    if passed < whole * _EARLY or whole <= 0:
        return None
    return round(float(status["spent_usd"]) * 1e6 * whole / min(passed, whole))


def count(number: Any) -> str:
    """A whole number with thousands apart."""
    return f"{number:,}" if isinstance(number, int | float) and not isinstance(number, bool) else NOTHING


def short(number: Any) -> str:
    """A count that fits a tile: `950`, `12.3k`, `4.1M`."""
    if not isinstance(number, int | float):
        return NOTHING
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:,.0f}"


def milliseconds(number: Any) -> str:
    """A duration in ms, in the unit that reads best."""
    if not isinstance(number, int | float):
        return NOTHING
    if number < 120_000:
        return f"{number / 1000:,.2f} s" if number >= 1000 else f"{number:,.0f} ms"
    size, unit = next((size, unit) for size, unit in _STEPS if number >= 2000 * size)
    return f"{number / 1000 / size:,.1f} {unit}"


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def tiers(targets: Any) -> list[list[dict[str, Any]]]:
    """Targets as they are typed as tiers, the first that is tried first, each with its share of its tier's traffic."""
    found: dict[int, list[tuple[str, int]]] = {}
    for one in targets if isinstance(targets, list) else ():
        model, priority, weight = one.get("model") or "…", one.get("priority", 0), one.get("weight", 1)
        if isinstance(priority, int) and isinstance(weight, int) and weight >= 0:
            found.setdefault(priority, []).append((model, weight))
    whole = {priority: sum(weight for _, weight in tier) for priority, tier in found.items()}
    return [
        [{"target": model, "share": weight / whole[priority]} for model, weight in found[priority] if weight]
        for priority in sorted(found)
        if whole[priority]
    ]


def codes(text: str) -> Markup:
    """A text with what stands between backticks as code."""
    parts = str(text).split("`")
    shown = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(shown)


def browser(agent: Any) -> str:
    """A browser's own description in two words: `Firefox on Linux`."""
    text = str(agent or "")
    name = next((shown for sign, shown in _BROWSERS if sign in text), "")
    system = next((shown for sign, shown in _SYSTEMS if sign in text), "")
    return f"{name} on {system}" if name and system else name or text[:60] or "unknown browser"


def targets_told(targets: Any) -> str:
    """Targets in a line: those of a tier with their shares, tiers one after the other."""
    said = [
        " and ".join(
            f"{one['target']} {100 * one['share']:.0f} %" if len(tier) > 1 else str(one["target"]) for one in tier
        )
        for tier in tiers(targets)
    ]
    return ", then ".join(said) or "nowhere yet"


class _Plain(yaml.SafeDumper):
    """YAML without aliases: each value is written where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(value: Any) -> str:
    """A spec as YAML, in the order of its fields."""
    return yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100) if value else "{}\n"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago, "exact": exact, "money": money, "usd": usd, "count": count, "short": short, "ms": milliseconds,
    "pretty": pretty, "yaml": as_yaml, "forecast": forecast,
    "tiers": tiers, "targets_told": targets_told, "told": told, "missed": missed, "zip": zip,
    "codes": codes, "browser": browser,
}  # fmt: skip
