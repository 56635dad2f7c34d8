"""Counters of this process, kept in dictionaries, added to those of others, and written out in Prometheus' text format."""

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from msgspec import Struct

from hub.core.entry import Entry
from hub.core.usage import Usage

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
OTHER = "other"
_MOST_SERIES = 200

Labels = tuple[str, ...]
_BUCKETS = tuple(name for name in Usage.__struct_fields__ if name not in ("estimated", "tool_calls", "searches"))
_amounts = attrgetter(*_BUCKETS)


class Told(Struct, frozen=True):
    """What one process has counted since it began, by the names of metrics; and how its gauges stand."""

    counters: dict[str, list[tuple[Labels, int]]]
    histograms: dict[str, list[tuple[str, list[int], float]]]
    gauges: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A number that is read when asked. `joined` makes one of those of several processes."""

    name: str
    text: str
    read: Callable[[], float]
    joined: Callable[[Iterable[float]], float]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _series(name: str, names: Labels, values: Labels, number: float) -> str:
    pairs = ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))
    text = repr(number) if isinstance(number, float) and not number.is_integer() else str(int(number))
    return f"{name}{{{pairs}}} {text}" if pairs else f"{name} {text}"


def _head(name: str, text: str, kind: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}"


class Counter:
    """A number that only grows, per combination of labels. Beyond 200 combinations they count as `other`."""

    __slots__ = ("_labels", "_scale", "_text", "_values", "name")

    def __init__(self, name: str, text: str, labels: Labels = (), scale: float = 1) -> None:
        self.name = name
        self._text = text
        self._labels = labels
        self._scale = scale
        self._values: dict[Labels, int] = {}

    def add(self, amount: int, *labels: str) -> None:
        """Count `amount` under these labels, in the counter's own unit (times `scale` when written out)."""
        values = self._values
        if labels not in values and len(values) >= _MOST_SERIES:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    def told(self) -> list[tuple[Labels, int]]:
        """How it stands."""
        return list(self._values.items())

    def take(self, told: Iterable[tuple[Labels, int]]) -> None:
        """Add what another process counted, under its labels, which are bounded there."""
        for labels, value in told:
            self._values[labels] = self._values.get(labels, 0) + value

    def lines(self) -> Iterator[str]:
        """The counter in Prometheus' text format."""
        yield _head(self.name, self._text, "counter")
        for labels, value in self._values.items():
            yield _series(self.name, self._labels, labels, value * self._scale)


class Histogram:
    """How often a number of seconds fell below each bound, per label."""

    __slots__ = ("_label", "_sums", "_text", "_values", "name")

    def __init__(self, name: str, text: str, label: str) -> None:
        self.name = name
        self._text = text
        self._label = label
        self._values: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, seconds: Sequence[float], label: str) -> None:
        """Count some observations."""
        counts = self._values.get(label)
        if counts is None:
            if len(self._values) >= _MOST_SERIES:
                label = OTHER
            counts = self._values.setdefault(label, [0] * (len(SECONDS) + 1))
        for each in seconds:
            counts[bisect_left(SECONDS, each)] += 1
        self._sums[label] = self._sums.get(label, 0.0) + sum(seconds)

    def told(self) -> list[tuple[str, list[int], float]]:
        """How it stands: counts by bound, and the sum, of each label."""
        return [(label, list(counts), self._sums[label]) for label, counts in self._values.items()]

    def take(self, told: Iterable[tuple[str, list[int], float]]) -> None:
        """Add what another process observed."""
        for label, counts, seconds in told:
            mine = self._values.setdefault(label, [0] * (len(SECONDS) + 1))
            self._values[label] = [one + other for one, other in zip(mine, counts, strict=True)]
            self._sums[label] = self._sums.get(label, 0.0) + seconds

    def lines(self) -> Iterator[str]:
        """The histogram in Prometheus' text format."""
        yield _head(self.name, self._text, "histogram")
        for label, counts in self._values.items():
            below = 0
            for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
                below += count
                yield _series(f"{self.name}_bucket", (self._label, "le"), (label, bound), below)
            yield _series(f"{self.name}_sum", (self._label,), (label,), self._sums[label])
            yield _series(f"{self.name}_count", (self._label,), (label,), below)


class Metrics:
    """All that the hub counts. `observe` takes finished entries; `gauge` registers what is read when asked.

    Labels are bounded: kinds, outcomes, statuses, and names of providers and servers, never of models or people.
    """

    def __init__(self) -> None:
        self.calls = Counter("hub_requests_total", "Authenticated calls, by how they ended.", ("call", "outcome"))
        self.seconds = Histogram("hub_request_seconds", "Duration of calls.", "call")
        self.first_byte = Histogram("hub_first_byte_seconds", "Time to the first byte of an answer.", "call")
        self.per_token = Histogram(
            "hub_output_token_seconds", "Time that each token of an answer took, on average.", "provider"
        )
        self.attempts = Counter("hub_upstream_attempts_total", "Tries at upstreams.", ("provider", "outcome"))
        self.tokens = Counter("hub_tokens_total", "Tokens, in buckets that do not overlap.", ("provider", "bucket"))
        self.searches = Counter("hub_searches_total", "Web searches that providers made.", ("provider",))
        self.cost = Counter("hub_cost_usd_total", "Cost of calls whose price is known.", ("provider",), scale=1e-6)
        self.unpriced = Counter("hub_unpriced_calls_total", "Model calls without a known price.", ("provider",))
        self.estimated = Counter(
            "hub_estimated_calls_total", "Model calls whose usage the provider did not say.", ("provider",)
        )
        self.http_refused = Counter("hub_http_refused_total", "Requests refused before they were read.", ("status",))
        self._counters = (
            self.calls, self.attempts, self.tokens, self.searches, self.cost, self.unpriced, self.estimated,
            self.http_refused,
        )  # fmt: skip
        self._histograms = (self.seconds, self.first_byte, self.per_token)
        self._gauges: list[_Gauge] = []

    def gauge(
        self, name: str, text: str, read: Callable[[], float], joined: Callable[[Iterable[float]], float] = sum
    ) -> None:
        """Write out `read()` as `name` from now on; of several processes, what `joined` makes of their numbers."""
        self._gauges.append(_Gauge(name, text, read, joined))

    def refused(self, status: int) -> None:
        """A connection was refused at the level of HTTP."""
        self.http_refused.add(1, str(status))

    def observe(self, *entries: Entry) -> None:
        """Count finished calls. What is alike in many of them is added up first: they come by the thousand."""
        for (call, outcome), count in Tally([(each.call, each.outcome) for each in entries]).items():
            self.calls.add(count, call, outcome)
        for call in {each.call for each in entries}:
            self.seconds.add([each.duration_ms / 1000 for each in entries if each.call == call], call)
            first = [each.ttft_ms / 1000 for each in entries if each.call == call and each.ttft_ms is not None]
            if first:
                self.first_byte.add(first, call)
        tries = Tally([(one.target.partition("/")[0], one.outcome) for each in entries for one in each.attempts])
        for (provider, outcome), count in tries.items():
            self.attempts.add(count, provider, outcome)
        for provider in {each.provider for each in entries if each.call == "model"}:
            of_it = [each for each in entries if each.provider == provider and each.call == "model"]
            self._observe_provider(provider, of_it)

    def _observe_provider(self, provider: str, entries: Sequence[Entry]) -> None:
        for bucket, amounts in zip(
            _BUCKETS, zip(*[_amounts(each.usage) for each in entries], strict=True), strict=True
        ):
            if amount := sum(amounts):
                self.tokens.add(amount, provider, bucket)
        paces = [1 / pace for each in entries if (pace := each.tokens_per_second)]
        if paces:
            self.per_token.add(paces, provider)
        estimated = [each for each in entries if each.usage.estimated]
        if provider and estimated:
            self.estimated.add(len(estimated), provider)
        if searches := sum([each.usage.searches for each in entries]):
            self.searches.add(searches, provider)
        known = [each.cost_micro_usd for each in entries if each.cost_micro_usd is not None]
        if known:
            self.cost.add(sum(known), provider)
        unpriced = [each for each in entries if each.cost_micro_usd is None and each.own_micro_usd is None]
        if provider and unpriced:
            self.unpriced.add(len(unpriced), provider)

    def told(self) -> Told:
        """How everything stands."""
        return Told(
            {counter.name: counter.told() for counter in self._counters},
            {histogram.name: histogram.told() for histogram in self._histograms},
            {gauge.name: float(gauge.read()) for gauge in self._gauges},
        )

    def take(self, told: Told) -> None:
        """Add what another process, or an earlier one, counted. Its gauges are its own."""
        for counter in self._counters:
            counter.take(told.counters.get(counter.name, ()))
        for histogram in self._histograms:
            histogram.take(told.histograms.get(histogram.name, ()))

    def render(self, everybody: Sequence[Told] = ()) -> str:
        """Everything in Prometheus' text format: of this process, or of all that `everybody` told, this one included."""
        everybody = everybody or (self.told(),)
        total = Metrics()
        for told in everybody:
            total.take(told)
        lines: list[str] = []
        for metric in (*total._counters, *total._histograms):
            lines.extend(metric.lines())
        for gauge in self._gauges:
            number = gauge.joined([told.gauges[gauge.name] for told in everybody if gauge.name in told.gauges])
            lines += [_head(gauge.name, gauge.text, "gauge"), _series(gauge.name, (), (), number)]
        return "\n".join(lines) + "\n"
