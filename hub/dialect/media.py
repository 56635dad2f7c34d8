"""Images, audio and files: from and to the ways in which dialects write them down."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.neutral import Media

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+\"-]+)*?(?:;base64)?,", re.ASCII)
_FORMATS = {
    "wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/opus", "ogg": "audio/ogg",
    "m4a": "audio/mp4", "aac": "audio/aac", "aiff": "audio/aiff", "webm": "audio/webm", "pcm16": "audio/pcm",
    "jpeg": "image/jpeg", "jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
    "pdf": "application/pdf", "csv": "text/csv", "html": "text/html", "txt": "text/plain", "md": "text/markdown",
    "doc": "application/msword", "xls": "application/vnd.ms-excel",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "mpeg": "video/mpeg",
}  # fmt: skip
_NAMES = {mime: name for name, mime in reversed(_FORMATS.items())} | {"audio/x-wav": "wav", "audio/mp3": "mp3"}


def of_data_url(kind: str, url: str, *, name: str = "", file_id: str = "", detail: str = "", cache: str = "") -> Media:
    """What a `data:` URL holds, or a reference to what another URL shows."""
    found = _DATA.match(url)
    if found is not None:
        mime = found[1] or mime_of_name(name)
        return Media(_kind(kind, mime), mime, url[found.end() :], name=name, detail=detail, cache=cache)
    if url and "://" not in url and kind == "file":  # bare base64
        return Media(kind, mime_of_name(name), url, name=name, detail=detail, cache=cache)
    return Media(kind, mime_of_name(name), url=url, file_id=file_id, name=name, detail=detail, cache=cache)


def _kind(kind: str, mime: str) -> str:
    family = mime.partition("/")[0]
    return family if kind == "file" and family in ("image", "audio", "video") else kind


def of_format(kind: str, form: str, data: str, *, name: str = "", cache: str = "") -> Media:
    """What bytes in base64 of a format such as `wav` are."""
    return Media(kind, _FORMATS.get(form.lower(), f"{kind}/{form}"), data, name=name, cache=cache)


def of_mime(mime: str, data: str = "", *, url: str = "", name: str = "") -> Media:
    """What a MIME type says that it is."""
    family = mime.partition("/")[0]
    return Media(family if family in ("image", "audio", "video") else "file", mime, data, url, name=name)


def mime_of_name(name: str) -> str:
    """The MIME type that a file's name promises, or ""."""
    return _FORMATS.get(name.rpartition(".")[2].lower(), "") if "." in name else ""


def format_of(media: Media, default: str) -> str:
    """The short name of its format, such as `png`."""
    return _NAMES.get(media.mime) or _NAMES.get(mime_of_name(media.name)) or default


def mime_of(media: Media) -> str:
    """Its MIME type, as far as it is known."""
    default = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}.get(media.kind, "application/pdf")
    return media.mime or mime_of_name(media.name) or mime_of_name(urlsplit(media.url).path) or default


def data_url(media: Media) -> str:
    """Its address: its own, or one that holds its bytes."""
    return f"data:{mime_of(media)};base64,{media.data}" if media.data else media.url


def pictures_in(message: dict[str, Any]) -> Iterator[Media]:
    """What a message of Chat Completions says that a model has drawn, as OpenRouter and others tell it."""
    for one in map(a_dict, a_list(message.get("images"))):
        if url := a_text(a_dict(one.get("image_url")).get("url")):
            yield of_data_url("image", url)


def write_picture(media: Media, number: int) -> dict[str, Any]:
    """A picture, as they tell it."""
    return {"type": "image_url", "index": number, "image_url": {"url": data_url(media)}}
