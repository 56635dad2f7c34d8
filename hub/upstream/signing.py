"""Credentials that are no header but a signature: Amazon's version 4 over the request, Google's token of an account."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from hub.core.rarely import Part, load
from hub.core.refusal import UpstreamFailed
from hub.core.values import a_dict

_TOKEN_SECONDS = 3300  # a token holds for an hour
_MOST_TOKENS = 256


class Signable(Protocol):
    """What a signature covers."""

    @property
    def url(self) -> str: ...  # noqa: D102 - see the class
    @property
    def body(self) -> bytes: ...  # noqa: D102 - see the class


Headers = dict[str, str]


class Signers:
    """The schemes that providers use, by the name that stands in place of a header in `Deployment.auth`."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._tokens: dict[str, tuple[str, float]] = {}
        self._schemes: Mapping[str, Callable[[Signable, str, str, str], Headers]] = {
            "aws-sigv4": self._amazon,
            "google-jwt": self._google,
        }

    def knows(self, scheme: str) -> bool:
        """Whether a credential of this kind is a signature."""
        return scheme in self._schemes

    def headers(self, scheme: str, scope: str, region: str, request: Signable, secret: str) -> Headers:
        """The headers that sign `request`. Raises UpstreamFailed when the credential is none of this scheme."""
        return self._schemes[scheme](request, secret, scope, region)

    def _amazon(self, request: Signable, secret: str, scope: str, region: str) -> Headers:
        """`ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]` signs; anything else is a bearer token of Bedrock's own."""
        key, colon, rest = secret.partition(":")
        if not colon:
            return {"authorization": f"Bearer {secret}"}
        private, _, session = rest.partition(":")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        return sigv4(request, (key, private, session), (region or "us-east-1", scope), stamp)

    def _google(self, request: Signable, secret: str, scope: str, region: str) -> Headers:
        """A token that the service account signs for itself; it holds for an hour and is kept until shortly before."""
        del request, region
        known = self._tokens.get(secret)
        if known is None or self._now() > known[1]:
            if len(self._tokens) >= _MOST_TOKENS:
                self._tokens.clear()
            known = account_token(secret, scope, int(self._now())), self._now() + _TOKEN_SECONDS
            self._tokens[secret] = known
        return {"authorization": f"Bearer {known[0]}"}


def account_of(secret: str) -> dict[str, Any]:
    """The service account in the JSON that Google gives out for it. Raises UpstreamFailed when it is none."""
    try:
        account = a_dict(msgspec.json.decode(secret))
    except (msgspec.MsgspecError, RecursionError):
        account = {}
    if not account.get("client_email") or not account.get("private_key"):
        raise UpstreamFailed(
            "upstream_error", "The provider's credential is no service account: give the JSON file that Google made."
        )
    return account


def account_token(secret: str, audience: str, now: int) -> str:
    """A token signed by the account's own key. Raises UpstreamFailed when there is none, or it is broken."""
    token = load(Part.GOOGLE).account_token(account_of(secret), audience, now)
    if token is None:
        raise UpstreamFailed("upstream_error", "The private key of the provider's service account is broken.")
    return token


def sigv4(request: Signable, credential: tuple[str, str, str], place: tuple[str, str], stamp: str) -> Headers:
    """Amazon's signature of a POST. `credential` is (key id, secret, session), `place` (region, service)."""
    key, private, session = credential
    parts = urlsplit(request.url)
    signed = {"host": parts.netloc, "x-amz-date": stamp}
    if session:
        signed["x-amz-security-token"] = session
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            "POST",
            quote(parts.path or "/", safe="/~-._"),  # what is escaped in the path is escaped once more
            parts.query,
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{place[0]}/{place[1]}/aws4_request"
    told = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    derived = f"AWS4{private}".encode()
    for step in scope.split("/"):
        derived = hmac.digest(derived, step.encode(), "sha256")
    signature = hmac.new(derived, told.encode(), "sha256").hexdigest()
    authorization = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {name: value for name, value in signed.items() if name != "host"} | {"authorization": authorization}
