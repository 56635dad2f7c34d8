"""The ledger's entry: one per authenticated call of a model or a tool, whatever became of it."""

from enum import StrEnum

from msgspec import Struct

from hub.core.usage import Usage

CALLS = ("model", "tool")
LANES = ("passthrough", "translate", "estimate", "raw")  # how a model call was carried


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    REFUSED = "refused"  # the hub said no before any upstream was asked
    ERROR = "error"  # the upstream failed, or answered with an error
    CANCELLED = "cancelled"  # the caller went away
    INTERRUPTED = "interrupted"  # the hub died; settled by an estimate at the next start


class AttemptRecord(Struct, frozen=True, omit_defaults=True):
    """One try at one target: `provider/model` or `server`, how it ended and how long it took (ms).

    `failure` is the class of the failure (see routing), or "". `began_ms` is when it began, after the call did.
    `cost_micro_usd` is what this try cost by itself, where a failed one was charged; None where nobody knows.
    """

    target: str
    outcome: str
    status: int = 0
    duration_ms: float = 0.0
    error: str = ""
    failure: str = ""
    began_ms: float = 0.0
    cost_micro_usd: int | None = None


class Finding(Struct, frozen=True, omit_defaults=True):
    """What a guardrail found in a call: the rule and what kind of thing, how often and where, never the thing itself.

    `point` is `input`, `output`, `tool_call` or `tool_result`; `action` what was done (`block`, `redact`, `flag`,
    `route`), or what would have been where `shadow` is set; `ms` how long the rule took. `error` says why a rule could
    not decide.
    """

    rule: str
    kind: str = ""
    point: str = ""
    action: str = ""
    count: int = 1
    ms: float = 0.0
    shadow: bool = False
    error: str = ""


_AT_ONCE_MS = 50.0


class Entry(Struct, frozen=True, omit_defaults=True):
    """Who called what, how it went, what it used and what it cost.

    `at` is the start in microseconds since the epoch (UTC); durations are milliseconds; `cost_micro_usd`
    is integer micro-dollars, and None means that the price is not known. `call` is `model` or `tool`.
    `plan` is the explain record of routing, `raw_usage` the usage as the provider told it: JSON text, or "".
    `trace`, `parent` and `sampled` say where the call stands in a distributed trace, `capture` what was kept of
    its bodies, `cache` whether an answer was reused, and `saved_micro_usd` what that saved. `own_micro_usd` is what a call
    on the caller's own credential costs their account by the same prices: it is shown, and counted against nothing.
    """

    id: str
    at: int
    call: str
    principal: str
    outcome: str
    status: int
    key: str = ""
    user: str = ""
    team: str = ""
    request_id: str = ""
    session: str = ""
    tags: dict[str, str] = {}
    door: str = "api"
    agent: str = ""
    application: str = ""
    dialect: str = ""
    lane: str = ""
    model: str = ""  # the model asked for
    target: str = ""  # what answered: `provider/model` or `server`
    provider: str = ""
    profile: str = ""
    server: str = ""
    tool: str = ""
    stream: bool = False
    code: str = ""  # the refusal's or failure's code
    error: str = ""
    usage: Usage = Usage()
    cost_micro_usd: int | None = None
    price_version: str = ""
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    request_bytes: int = 0
    response_bytes: int = 0
    attempts: tuple[AttemptRecord, ...] = ()
    dropped: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    plan: str = ""
    raw_usage: str = ""
    cache: str = ""
    saved_micro_usd: int | None = None
    trace: str = ""
    parent: str = ""
    sampled: bool = False
    capture: str = ""
    own_micro_usd: int | None = None
    route: str = ""  # the route that gave the targets of a model call
    digest: str = ""  # of a tool call's arguments as they came: SHA-256, in hexadecimal digits
    repriced: str = ""  # earlier costs with their price versions, JSON text, when a price was corrected

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the answer was written: tokens by the time from its first one on, or by all of it; None without any.

        Of a stream that came at once, as a proxy between may give it, the time of the whole call counts.
        """
        tokens, after = self.usage.completion, self.duration_ms - (self.ttft_ms or 0.0)
        seconds = (after if self.stream and after >= _AT_ONCE_MS else self.duration_ms) / 1000
        return (
            round(tokens / seconds, 2) if tokens and seconds > 0 and self.call == "model" and not self.cache else None
        )
