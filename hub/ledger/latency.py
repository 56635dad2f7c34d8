"""How long calls took, as percentiles: logarithmic histograms, kept as text, that merge by being joined.

A histogram is words with spaces between them, each the number of a bucket (`52`), or that and how many (`52*7`).
There are 20 buckets to each power of ten from 0.1 ms to 100,000 s; a shorter time counts as 0.1 ms, a longer one as
100,000 s. Nothing else is lost but the place within a bucket, so a percentile is off by no more than ERROR.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Text, literal_column

_TO_A_DECADE = 20
_DECADES = 9
BOUNDS = tuple(10 ** (number / _TO_A_DECADE - 1) for number in range(_TO_A_DECADE * _DECADES + 1))
_WIDTH = 10 ** (1 / _TO_A_DECADE)
ERROR = (_WIDTH - 1) / (_WIDTH + 1)  # 5.75 %, of the time itself


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The time within which 50, 95 and 99 of a hundred calls were done, in milliseconds."""

    p50: float
    p95: float
    p99: float


def bucket_of(ms: float) -> int:
    """The number of the bucket in which a time falls."""
    return bisect_right(BOUNDS, ms)


def bucket_column(column: Column[float]) -> ColumnElement[str]:
    """The same of a column that is not null, in SQL: a tree of comparisons, since not every SQLite has logarithms."""
    return literal_column(_tree(f"{column.table.name}.{column.name}", 0, len(BOUNDS)), Text)


def _tree(column: str, first: int, last: int) -> str:
    if first == last:
        return f"'{first}'"
    middle = (first + last) // 2
    least, most = _tree(column, first, middle), _tree(column, middle + 1, last)
    return f"CASE WHEN {column} < {BOUNDS[middle]!r} THEN {least} ELSE {most} END"


def counts_of(histogram: str | None) -> dict[int, int]:
    """Calls by bucket."""
    counts: dict[int, int] = {}
    for word, times in Counter((histogram or "").split()).items():
        bucket, _, many = word.partition("*")
        counts[int(bucket)] = counts.get(int(bucket), 0) + times * int(many or 1)
    return counts


def compact(histogram: str) -> str:
    """The same histogram with each bucket named once, in order."""
    counts = sorted(counts_of(histogram).items())
    return " ".join([str(bucket) if many == 1 else f"{bucket}*{many}" for bucket, many in counts])


def percentiles(counts: Mapping[int, int]) -> Percentiles | None:
    """The percentiles of a histogram, by nearest rank; None when nothing was timed."""
    calls = sum(counts.values())
    if not calls:
        return None
    return Percentiles(*(_at_rank(counts, -(-calls * percent // 100)) for percent in (50, 95, 99)))


def _at_rank(counts: Mapping[int, int], rank: int) -> float:
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return _time_in(bucket)
    raise AssertionError("a rank lies within the calls")


def _time_in(bucket: int) -> float:
    """The time from which both ends of a bucket are equally far, as shares of themselves."""
    if not 0 < bucket < len(BOUNDS):
        return BOUNDS[0 if bucket <= 0 else -1]
    least, most = BOUNDS[bucket - 1], BOUNDS[bucket]
    return 2 * least * most / (least + most)
