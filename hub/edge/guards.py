"""Who may be addressed and from where: Host and Origin of every request, and the headers that protect pages."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hub.core.refusal import Forbidden

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_KNOWN = 1024
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Refuses requests for other hosts, and from pages of other sites: what makes DNS rebinding useless.

    `hosts` are names or patterns (`*.example.com`); loopback names are always allowed, and so is the address
    that the connection came to, since a page of another site cannot have an address for its name.
    `public_url` is the hub's own address as browsers see it. `open_to_all` are path prefixes that pages of other
    sites may read.
    """

    def __init__(self, hosts: Iterable[str] = (), public_url: str = "", open_to_all: tuple[str, ...] = ()) -> None:
        own = urlsplit(public_url)
        self._public = own.netloc.lower()
        names = [*LOOPBACK, *(host.lower().strip("[]") for host in hosts), *([own.hostname] if own.hostname else [])]
        self._exact = frozenset(name for name in names if "*" not in name)
        self._patterns = tuple(name for name in names if "*" in name)
        self._open_to_all = open_to_all
        self._known: set[bytes] = set()  # Host headers that were found good, to look at each once

    def check(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        """Raises Forbidden `host_not_allowed` or `origin_not_allowed`."""
        host = headers.get(b"host", b"")
        if host not in self._known:
            self._check_host(host, scope)
        origin = headers.get(b"origin")
        if origin is not None:
            self._check_origin(origin.decode("latin-1").lower(), host.decode("latin-1").lower(), scope["path"])

    def _check_host(self, host: bytes, scope: Mapping[str, Any]) -> None:
        name = host_name(host.decode("latin-1"))
        if name in self._exact or any(fnmatchcase(name, pattern) for pattern in self._patterns):
            if len(self._known) < _MOST_KNOWN:
                self._known.add(host)
            return
        server = scope.get("server")
        if server and _is_address(name) and name == server[0]:
            return
        raise Forbidden(
            "host_not_allowed",
            "This hub does not answer to that host name. Name it in HUB_ALLOWED_HOSTS or HUB_PUBLIC_URL.",
        )

    def _check_origin(self, origin: str, host: str, path: str) -> None:
        scheme, _, site = origin.partition("://")
        default = f":{_DEFAULT_PORTS.get(scheme, '')}"
        if site and site.removesuffix(default) in (host.removesuffix(default), self._public.removesuffix(default)):
            return
        if path.startswith(self._open_to_all) and self._open_to_all:
            return
        raise Forbidden("origin_not_allowed", "Pages of other sites may not call this hub.")


_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'{form}; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page_policy(form: str = "") -> str:
    """The content security policy of a page; `form` is one more place that its forms may lead to."""
    return _CSP.format(form=f" {form}" if form else "")


_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with no-referrer, a browser hides the origin of the hub's own forms too
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ON_PAGES = (
    (b"content-security-policy", page_policy().encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)
_ON_TLS = ((b"strict-transport-security", b"max-age=31536000"),)


class SecureHeaders:
    """Adds the protecting headers (and the request id) to whatever `app` answers; what it sets itself stays."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the head of its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(scope.get("state", {}).get("request_id", "")).encode("latin-1")

        async def completing(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower(): value for name, value in headers}
                wanted = [(b"x-request-id", request_id), *_ALWAYS]
                if present.get(b"content-type", b"").startswith(b"text/html"):
                    wanted += _ON_PAGES
                if scope.get("scheme") == "https":
                    wanted += _ON_TLS
                headers += [header for header in wanted if header[0] not in present]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, completing)
