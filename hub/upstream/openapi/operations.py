"""From an OpenAPI document to tools: what each operation is called, takes, and where every argument goes."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hub.core.principal import Globs
from hub.upstream.openapi.document import Json, resolved
from hub.upstream.openapi.schemas import Schemas

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
MOST_OPERATIONS = 500
_FOREIGN = re.compile(r"[^A-Za-z0-9_.-]+")
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
# Headers that the protocol or the hub sets; a document cannot make arguments of them.
_OWN_HEADERS = frozenset(
    {"accept", "authorization", "content-length", "content-type", "cookie", "host", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that goes into the path, the query, a header or a cookie, and how lists and objects are put there."""

    argument: str
    name: str
    place: str
    style: str = "form"
    explode: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `body` names the argument that is the whole body, `members` those that are members of it."""

    name: str
    method: str
    path: str
    definition: bytes
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    members: tuple[tuple[str, str], ...] = ()
    media: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """The operations of a document, the name and reason of each that was left out, and where it says it is served."""

    operations: tuple[Operation, ...]
    rejected: tuple[tuple[str, str], ...]
    address: str
    title: str
    about: str


def api_of(document: Json, chosen: Sequence[str]) -> Api:
    """The operations whose id, or `METHOD /path`, the globs choose."""
    operations: dict[str, Operation] = {}
    rejected: list[tuple[str, str]] = []
    for method, path, item, raw in _all(document):
        name = _name(raw, method, path)
        if not _is_chosen(chosen, (name, f"{method.upper()} {path}")):
            continue
        try:
            if name in operations:
                raise ValueError("another operation has the same name")
            if len(operations) >= MOST_OPERATIONS:
                raise ValueError(f"the document has more than {MOST_OPERATIONS} operations; choose some")
            operations[name] = _Reading(document, name, method, path).operation(item, raw)
        except (ValueError, RecursionError) as error:
            rejected.append((name, str(error)))
    info = document.get("info")
    texts: Json = cast("Json", info) if isinstance(info, dict) else {}
    return Api(
        tuple(operations.values()), tuple(rejected), _address(document), str(texts.get("title", ""))[:200],
        str(texts.get("description", ""))[:2000],
    )  # fmt: skip


def _is_chosen(globs: Sequence[str], names: tuple[str, str]) -> bool:
    """Whether a glob matches either name, and none with `!` does."""
    refused = Globs(tuple(glob[1:] for glob in globs if glob.startswith("!")))
    wanted = Globs(tuple(glob for glob in globs if not glob.startswith("!")))
    return any(wanted.allows(name) for name in names) and not any(refused.allows(name) for name in names)


def _all(document: Json) -> Iterator[tuple[str, str, Json, Json]]:
    paths = document.get("paths")
    for path, raw in (cast("Json", paths) if isinstance(paths, dict) else {}).items():
        try:
            item = resolved(document, raw)
        except ValueError:
            continue
        for method in METHODS:
            if isinstance(item.get(method), dict):
                yield method, str(path), item, cast("Json", item[method])


def _name(raw: Json, method: str, path: str) -> str:
    given = raw.get("operationId")
    text = given if isinstance(given, str) and given else f"{method}_{path.strip('/')}"
    return _FOREIGN.sub("_", text.replace("{", "").replace("}", "")).strip("_")[:128] or method


def _address(document: Json) -> str:
    """The first address that the document names, with its variables at their defaults."""
    servers = document.get("servers")
    first = cast("list[object]", servers)[0] if isinstance(servers, list) and servers else None
    if not isinstance(first, dict):
        return ""
    server = cast("Json", first)
    url = str(server.get("url", ""))
    variables = server.get("variables")
    for name, one in (cast("Json", variables) if isinstance(variables, dict) else {}).items():
        default = cast("Json", one).get("default", "") if isinstance(one, dict) else ""
        url = url.replace("{" + str(name) + "}", str(default))
    return url


class _Reading:
    """Reads one operation."""

    def __init__(self, document: Json, name: str, method: str, path: str) -> None:
        self._document = document
        self._name = name
        self._method = method
        self._path = path
        self._schemas = Schemas(document)
        self._properties: Json = {}
        self._required: list[str] = []

    def operation(self, item: Json, raw: Json) -> Operation:
        """The operation. Raises ValueError with what is wrong with it."""
        declared = self._declared(item, raw)
        body, media, schema, needed = self._body(raw)
        members = self._members(schema) if (media and _JSON.fullmatch(media)) or media == _FORM else None
        taken = set(members or ())
        parameters = tuple(self._parameter(one, taken) for one in declared)
        self._check_path(parameters)
        pairs: tuple[tuple[str, str], ...] = ()
        if members is not None:
            pairs = tuple((name, name) for name in members)
            self._properties |= members
            wanted = schema.get("required") if needed else None
            self._required += [str(name) for name in wanted if name in members] if isinstance(wanted, list) else []
            body = ""
        elif media:
            body = "body" if "body" not in self._properties else "request_body"
            self._properties[body] = schema
            self._required += [body] if needed else []
        return Operation(
            self._name, self._method.upper(), self._path, self._definition(raw), parameters, body, pairs, media
        )

    def _declared(self, item: Json, raw: Json) -> list[Json]:
        """The parameters of the path and of the operation, the operation's own first where both name one."""
        found: dict[tuple[str, str], Json] = {}
        for given in (item.get("parameters"), raw.get("parameters")):
            for one in cast("list[object]", given) if isinstance(given, list) else []:
                parameter = resolved(self._document, one)
                found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        ignored = ("header", "cookie")
        return [one for one in found.values() if one.get("in") not in ignored or self._is_free(one)]

    def _is_free(self, parameter: Json) -> bool:
        return str(parameter.get("name", "")).lower() not in _OWN_HEADERS

    def _parameter(self, given: Json, taken: set[str]) -> Parameter:
        name, place = str(given.get("name", "")), str(given.get("in", ""))
        if place not in ("path", "query", "header", "cookie") or not name:
            raise ValueError(f"a parameter is in '{place[:20]}'")
        argument = _FOREIGN.sub("_", name).strip("_") or "value"
        if argument in taken:
            argument = f"{argument}__{place}"
        taken.add(argument)
        content = given.get("content")
        schema: object = given.get("schema", {})
        style = str(given.get("style") or ("simple" if place in ("path", "header") else "form"))
        if isinstance(content, dict) and content:
            schema = cast("Json", next(iter(cast("Json", content).values()))).get("schema", {})
            style = "json"
        made = self._schemas.plain(schema)
        if isinstance(made, dict) and "description" not in made and isinstance(given.get("description"), str):
            made["description"] = given["description"]
        self._properties[argument] = made
        if given.get("required") is True or place == "path":
            self._required.append(argument)
        return Parameter(argument, name, place, style, bool(given.get("explode", style == "form")))

    def _check_path(self, parameters: Sequence[Parameter]) -> None:
        wanted = set(re.findall(r"\{([^{}]+)\}", self._path))
        known = {one.name for one in parameters if one.place == "path"}
        if wanted != known:
            raise ValueError(f"its path has {sorted(wanted)}, its parameters {sorted(known)}")

    def _body(self, raw: Json) -> tuple[str, str, Json, bool]:
        """Argument, media type, schema of the body and whether it is needed; empty where there is none."""
        if raw.get("requestBody") is None:
            return "", "", {}, False
        body = resolved(self._document, raw["requestBody"])
        content = body.get("content")
        offered = cast("Json", content) if isinstance(content, dict) else {}
        media = next((one for one in offered if _JSON.fullmatch(one.partition(";")[0].strip())), "")
        media = media or next((one for one in offered if one.startswith((_FORM, "text/"))), "")
        if not media:
            raise ValueError(
                f"its body is {', '.join(sorted(offered))[:100] or 'of no type'}; JSON, forms and text are sent"
            )
        given = cast("Json", offered[media]) if isinstance(offered[media], dict) else {}
        schema = given.get("schema", {})
        media = media.partition(";")[0].strip().lower()
        inner = resolved(self._document, schema) if isinstance(schema, dict) else {}
        is_flat = inner.get("type") == "object" and isinstance(inner.get("properties"), dict)
        plain = self._schemas.plain(inner if is_flat else schema)
        return "body", media, plain if isinstance(plain, dict) else {}, body.get("required") is True

    def _members(self, schema: Json) -> Json | None:
        """The members of a body that is a plain object, so that they can be arguments themselves."""
        composed = any(name in schema for name in ("allOf", "anyOf", "oneOf", "$ref"))
        properties = schema.get("properties")
        open_ended = isinstance(schema.get("additionalProperties"), dict)
        if (
            schema.get("type") != "object"
            or composed
            or open_ended
            or not isinstance(properties, dict)
            or not properties
        ):
            return None
        members = cast("Json", properties)
        return {
            name: one for name, one in members.items() if not (isinstance(one, dict) and one.get("readOnly") is True)
        }

    def _definition(self, raw: Json) -> bytes:
        texts = [str(raw[name]) for name in ("summary", "description") if isinstance(raw.get(name), str) and raw[name]]
        about = "\n\n".join(dict.fromkeys(texts)) or f"{self._method.upper()} {self._path}"
        if raw.get("deprecated") is True:
            about = f"Deprecated. {about}"
        schema: Json = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = list(dict.fromkeys(self._required))
        if self._schemas.definitions:
            schema["$defs"] = self._schemas.definitions
        reads = self._method in ("get", "head", "options")
        hints: dict[str, Any] = {
            "readOnlyHint": reads,
            "destructiveHint": self._method == "delete",
            "idempotentHint": reads or self._method in ("put", "delete"),
            "openWorldHint": True,
        }
        made = {"name": self._name, "description": about[:8000], "inputSchema": schema, "annotations": hints}
        return json.dumps(made, ensure_ascii=False).encode("utf-8", "replace")
