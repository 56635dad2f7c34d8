"""Which headers cross the hub, as data: from the caller to a provider, and from a provider to the caller."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz

from hub.core.calls import Dialect, ModelCall
from hub.core.plan import Deployment
from hub.core.principal import Globs
from hub.resources.provider_kinds import KINDS
from hub.upstream.exchange import Response

# What a caller may say to a provider, of what the edge hands over: headers of its vendor and unknown ones where it
# speaks the caller's dialect. Its content-type comes only with a form.
_TO_ANY = frozenset({"user-agent", "content-type"})
_TO_VENDOR: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "openai-",
    Dialect.OPENAI_RESPONSES: "openai-",
    Dialect.ANTHROPIC_MESSAGES: "anthropic-",
    Dialect.ANTHROPIC_COUNT: "anthropic-",
    Dialect.GEMINI: "x-goog-",
    Dialect.GEMINI_COUNT: "x-goog-",
}
# These choose whose account is charged, which is the operator's choice, unless it is the caller's own credential.
_ACCOUNTS = frozenset({"openai-organization", "openai-project", "x-goog-user-project"})
_NEVER = _ACCOUNTS | {"x-goog-api-key"}

# What a provider may say to a caller. Rate limits of the hub's own account, cookies and the names of its
# organisation stay here; the hub has its own `x-request-id` and `x-ratelimit-*`.
_FROM_PROVIDER: Mapping[str, str] = {
    "content-type": "content-type",
    "x-should-retry": "x-should-retry",
    "request-id": "x-upstream-request-id",
    "x-request-id": "x-upstream-request-id",
    "x-amzn-requestid": "x-upstream-request-id",
    "x-amzn-errortype": "x-amzn-errortype",
}
EVERY = ("*",)
LONGEST_RETRY = 60.0  # seconds; a provider's longer wait is not passed on as a promise
_WAITS = {
    "retry-after-ms": 0.001,
    "x-ms-retry-after-ms": 0.001,
    "retry-after": 1.0,
}  # and what one of it is, in seconds
# What is left of a provider's limits, and how much there is.
_LIMITS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-limit"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-limit"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-limit"),
)
_LEFT = frozenset(left for left, _ in _LIMITS)
_DIGITS = 19  # a limit that is as long is none
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?")


def request_headers(
    call: ModelCall, deployment: Deployment, spoken: Dialect, secret: str
) -> tuple[tuple[str, str], ...]:
    """The headers of a provider request: those of `raw_headers`, with what the caller says about versions and betas.

    A deployment that is called on the caller's own credential gets that one, which they sent beside their hub key.
    """
    same = (_TO_VENDOR.get(spoken, "x-"), "x-") if spoken == call.dialect else ()
    heard = call.headers
    said = [one for one in heard if one[0] in _TO_ANY or one[0].startswith(same)] if heard else []
    if said and deployment.betas != EVERY:
        said = list(_without_betas(said, Globs(deployment.betas)))
    headers = _laid({"content-type": "application/json"}, deployment, said)
    if deployment.own == "caller" and call.credential is not None:
        headers[call.credential[0].lower()] = call.credential[1]
    elif secret:
        headers[deployment.auth[0]] = deployment.auth[1] + secret
    return tuple(headers.items())


def _without_betas(said: Iterable[tuple[str, str]], allowed: Globs) -> Iterator[tuple[str, str]]:
    """What the caller says, without the betas that the provider shall not hear of."""
    for name, value in said:
        if name.endswith("-beta"):
            kept = [beta for beta in map(str.strip, value.split(",")) if beta and allowed.allows(beta)]
            if kept:
                yield name, ",".join(kept)
        else:
            yield name, value


def raw_headers(said: Iterable[tuple[str, str]], deployment: Deployment, secret: str) -> tuple[tuple[str, str], ...]:
    """The headers of a request for any other path of a provider.

    The kind's defaults come first; what the caller says (`said`) replaces them; what the operator set for the provider
    replaces both. Whose account is charged is not the caller's to say.
    """
    headers = _laid({}, deployment, said)
    if secret:
        headers[deployment.auth[0]] = deployment.auth[1] + secret
    return tuple(headers.items())


def _laid(usual: dict[str, str], deployment: Deployment, said: Iterable[tuple[str, str]]) -> dict[str, str]:
    kind = KINDS[deployment.kind].headers
    never = _NEVER - _ACCOUNTS if deployment.own == "caller" else _NEVER
    allowed = {name: value for name, value in said if name not in never} if said else {}
    return {**usual, **dict(kind), **allowed, **dict(deployment.headers[len(kind) :])}


def reply_headers(response: Response) -> dict[str, str]:
    """The provider's headers that the caller gets."""
    given = response.headers
    headers = {_FROM_PROVIDER[theirs]: given[theirs] for theirs in _FROM_PROVIDER if theirs in given}
    wait = retry_after(given)
    if wait is not None:
        headers["retry-after"] = str(-int(-wait // 1))
        if "retry-after-ms" in given:
            headers["retry-after-ms"] = str(int(wait * 1000))
    return headers


def room_of(headers: Mapping[str, str]) -> float | None:
    """The share that is left of the tightest limit that a provider tells of; None when it tells of none."""
    least: float | None = None
    if _LEFT.isdisjoint(headers.keys()):
        return None
    for left, limit in _LIMITS:
        if (
            (told := headers.get(left)) is None
            or not (most := headers.get(limit, "")).isdecimal()
            or not told.isdecimal()
        ):
            continue
        if len(most) < _DIGITS and len(told) < _DIGITS and int(most):
            share = min(int(told) / int(most), 1.0)
            least = share if least is None else min(share, least)
    return least


def retry_after(headers: Mapping[str, str]) -> float | None:
    """After how many seconds, 0 to 60, a provider wants to be asked again; None when it says none, or nonsense."""
    if _WAITS.keys().isdisjoint(headers.keys()):
        return None
    for name, scale in _WAITS.items():
        value = headers.get(name)
        if value is not None and _NUMBER.fullmatch(value := value.strip()):
            return min(float(value) * scale, LONGEST_RETRY)
    date = parsedate_tz(headers["retry-after"]) if "retry-after" in headers else None
    if date is None:
        return None
    try:
        return min(max(mktime_tz(date) - time.time(), 0.0), LONGEST_RETRY)
    except (OverflowError, ValueError):
        return None
