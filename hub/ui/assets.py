"""The static files: read once, served from memory under an address that changes with their content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import NotFound

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_COMPRESSED = frozenset({".css", ".js", ".svg"})
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _File:
    """One file: its bytes, the same compressed (or None), and its media type."""

    plain: bytes
    zipped: bytes | None
    media_type: str


class Assets:
    """Every file below a folder. Scripts import each other by relative paths, so one digest covers all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _files(self) -> dict[str, _File]:
        """All of them, read for the first page."""
        paths = (path for path in sorted(self._folder.rglob("*")) if path.suffix in _TYPES)
        return {path.relative_to(self._folder).as_posix(): _read(path) for path in paths}

    @cached_property
    def _digest(self) -> str:
        whole = hashlib.sha256()
        for name, file in self._files.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(file.plain).digest())
        return whole.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that does not exist, so that a page cannot name it."""
        self._files[name]
        return f"/static/{self._digest}/{name}"

    async def _serve(self, request: Request) -> Response:
        path: str = request.path_params["path"]
        digest, _, rest = path.partition("/")
        name, cache = (rest, _FOREVER) if digest == self._digest else (path, "no-cache")
        file = self._files.get(name)
        if file is None:
            raise NotFound("not_found", "There is no such file.")
        headers = {"cache-control": cache, "vary": "accept-encoding", "etag": f'"{self._digest}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if file.zipped is not None and accepts_gzip(request):
            return Response(file.zipped, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
        return Response(file.plain, headers=headers, media_type=file.media_type)

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route("/static/{path:path}", self._serve, methods=["GET"])]


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    zipped = gzip.compress(plain, 9, mtime=0) if path.suffix in _COMPRESSED else None
    return _File(plain, zipped, _TYPES[path.suffix])


def accepts_gzip(request: Request) -> bool:
    """Whether the browser takes gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")
