"""The command line's side of the management API."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Self
from urllib.parse import quote

import httpx2
from cyclopts import Parameter

from hub.core.refusal import Fault, InvalidSpec, Refusal


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Connection:
    """Which hub to talk to, with which key, and how to print."""

    url: Annotated[str, Parameter(env_var="HUB_URL", help="The hub's address.")] = "http://127.0.0.1:8484"
    key: Annotated[str, Parameter(env_var="HUB_KEY", help="Your key.", show_default=False)] = ""
    json: Annotated[bool, Parameter(help="Print JSON, for programs.", negative="")] = False

    def api(self) -> "Api":
        """A client of this hub. Close it after use (`with`)."""
        return Api(self.url.rstrip("/"), self.key)


class Api:
    """Calls the hub and turns its problems back into refusals."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.http = httpx2.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.http.close()

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """One call; returns the JSON answer. Raises Refusal with the hub's own code and message."""
        parameters = {
            name: value if isinstance(value, list) else str(value)
            for name, value in (query or {}).items()
            if value not in (None, "", [])
        }
        try:
            response = self.http.request(method, path, json=body, params=parameters)
        except httpx2.HTTPError as error:
            raise Refusal(
                "unreachable",
                f"There is no hub at {self.url}: {error}. Start one with 'hub serve', or say which with --url or HUB_URL.",
            ) from None
        if response.status_code >= 400:
            raise problem(response)
        try:
            return response.json()
        except ValueError:
            raise Refusal("not_a_hub", f"What answers at {self.url} is not a hub.") from None

    def is_ready(self) -> bool:
        """Whether the hub takes calls. Raises Refusal `unreachable` when there is none."""
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx2.HTTPError as error:
            raise Refusal("unreachable", f"there is no hub at {self.url}: {error}") from None

    def download(self, path: str, file: Path, query: Mapping[str, Any] | None = None) -> int:
        """Write what the hub answers to a file of mode 0600; returns its size. Raises Refusal; nothing is left then."""
        with self._open(path, query) as response, private(file) as out:
            for chunk in response.iter_bytes():
                out.write(chunk)
        return file.stat().st_size

    def events(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The data of server-sent events, as they come. Raises Refusal."""
        with self._open(path, query) as response:
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    @contextmanager
    def _open(self, path: str, query: Mapping[str, Any] | None) -> Iterator[httpx2.Response]:
        parameters = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        try:
            with self.http.stream("GET", path, params=parameters, timeout=httpx2.Timeout(60)) as response:
                if response.status_code >= 400:
                    response.read()
                    raise problem(response)
                yield response
        except httpx2.HTTPError as error:
            raise Refusal("unreachable", f"The hub at {self.url} broke off: {error}.") from None

    def resource(self, kind: str, name: str, rest: str = "") -> str:
        """The path of one resource."""
        return f"/api/v1/{quote(kind, safe='')}/{quote(name, safe='/')}{rest}"

    def pages(self, path: str, most: int, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Items of a list, page after page, at most `most`."""
        cursor: str | None = None
        while most > 0:
            page = self.call("GET", path, query={**(query or {}), "limit": min(most, 1000), "cursor": cursor})
            yield from page["items"][:most]
            most -= len(page["items"])
            cursor = page["next"]
            if cursor is None:
                return


@contextmanager
def private(file: Path) -> Iterator[BinaryIO]:
    """A file to write that only its owner may read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        yield out


def problem(response: httpx2.Response) -> Refusal:
    """The refusal that an error response holds, whatever its shape."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if isinstance(body, dict) and body.get("faults"):
        return InvalidSpec(
            [Fault(f.get("path", ""), f.get("message", ""), f.get("source", "")) for f in body["faults"]]
        )
    inner = body.get("error", body) if isinstance(body, dict) else {}
    inner = inner if isinstance(inner, dict) else {}
    message = inner.get("detail") or inner.get("message") or f"The hub answered {response.status_code}."
    code = inner.get("code") or f"http_{response.status_code}"
    if response.status_code == 401 and code == "missing_key":
        message += " For this command line: --key or HUB_KEY."
    return Refusal(str(code), str(message), status=response.status_code)
