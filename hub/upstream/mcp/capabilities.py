"""What a client declared that it can do: which of it a server is told, and whether it means that it can be asked."""

from functools import lru_cache

from msgspec import DecodeError, json

from hub.upstream.mcp.wire import NotRpc, parse_object

TASKS = "io.modelcontextprotocol/tasks"
_QUESTIONS = ("elicitation", "roots", "sampling")
NOTHING = b"{}"


@lru_cache(maxsize=256)
def handshake_form(raw: bytes) -> bytes:
    """The capabilities as an old server is told them: canonical, without tasks, which end at the hub."""
    try:
        members = parse_object(raw)
        extensions = parse_object(bytes(members.pop("extensions", b"")))
        members.pop("tasks", None)
        extensions.pop(TASKS, None)
        decoded = {name: json.decode(value) for name, value in members.items()}
        if extensions:
            decoded["extensions"] = {name: json.decode(value) for name, value in extensions.items()}
    except (NotRpc, DecodeError, RecursionError):
        return NOTHING
    return json.encode(decoded, order="deterministic")


@lru_cache(maxsize=256)
def can_be_asked(raw: bytes) -> bool:
    """Whether somebody with these capabilities answers questions."""
    try:
        members = parse_object(raw)
    except NotRpc:
        return False
    return any(bytes(members.get(kind, b"")).startswith(b"{") for kind in _QUESTIONS)


@lru_cache(maxsize=256)
def has_roots(raw: bytes) -> bool:
    """Whether the client shows its roots, which are another client's not, also under the same key."""
    try:
        return "roots" in parse_object(raw)
    except NotRpc:
        return False


@lru_cache(maxsize=1024)
def lacks(raw: bytes, method: str, mode: str = "") -> str:
    """The capability that somebody lacks who is asked `method`, as a path; "" when they lack nothing."""
    kind = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}.get(
        method
    )
    if kind is None:
        return ""
    try:
        declared = bytes(parse_object(raw).get(kind, b""))
        inner = parse_object(declared) if declared.startswith(b"{") else None
    except NotRpc:
        inner = None
    if inner is None:
        return f"{kind}.{mode}" if mode == "url" else kind
    if mode == "url" and "url" not in inner:
        return "elicitation.url"
    return ""
