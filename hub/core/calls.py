"""The two calls the hub carries, and what it answers: frozen values passed between the stages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from types import TracebackType
from typing import Self

from msgspec import Struct

from hub.core.capture import Capture
from hub.core.telemetry import TraceContext
from hub.core.unwinding import Unwinding


class Dialect(StrEnum):
    """A wire format that models are called in. The last two ask how many tokens a call has, and make none."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    GEMINI = "gemini"
    BEDROCK = "bedrock"
    ANTHROPIC_COUNT = "anthropic_count"
    GEMINI_COUNT = "gemini_count"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    OPENAI_COMPLETIONS = "openai_completions"
    OPENAI_EMBEDDINGS = "openai_embeddings"
    OPENAI_IMAGES = "openai_images"
    OPENAI_SPEECH = "openai_speech"
    OPENAI_TRANSCRIPTIONS = "openai_transcriptions"
    OPENAI_MODERATIONS = "openai_moderations"
    RERANK = "rerank"


# What is called beside conversations. Nothing else says the same, so it is never translated.
PLAIN = frozenset(
    {
        Dialect.OPENAI_COMPLETIONS, Dialect.OPENAI_EMBEDDINGS, Dialect.OPENAI_IMAGES, Dialect.OPENAI_SPEECH,
        Dialect.OPENAI_TRANSCRIPTIONS, Dialect.OPENAI_MODERATIONS, Dialect.RERANK,
    }
)  # fmt: skip

# Where every answer says what it used, as the providers' own do.
METERED = frozenset(
    {
        Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI, Dialect.BEDROCK,
        Dialect.OPENAI_COMPLETIONS, Dialect.OPENAI_EMBEDDINGS,
    }
)  # fmt: skip


@lru_cache(maxsize=1024)
def _on_the_wire(name: str) -> bytes:
    """A header's name as it stands in a request's raw headers."""
    return name.lower().encode("latin-1")


class Arrival(Struct, frozen=True):
    """Where a request came from and to: client address, path, raw headers (names lower case).

    `fields` are the same headers by their names, or empty: only there to be looked up at once.
    """

    client: str = ""
    path: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()
    fields: Mapping[bytes, bytes] = {}

    def __repr__(self) -> str:
        """Never shows the headers, which hold credentials."""
        return f"Arrival(client={self.client!r}, path={self.path!r})"

    def lacks(self, names: frozenset[bytes]) -> bool:
        """Whether none of these headers (names lower case) is there, as far as one look tells."""
        return len(self.fields) > 0 and names.isdisjoint(self.fields)

    def header(self, name: str) -> str:
        """The value of a header, or "". One that comes twice with different values has none."""
        wanted, found = _on_the_wire(name), b""
        if len(self.fields) == len(self.headers):  # each came once
            value = self.fields.get(wanted)
            return value.decode("latin-1").strip() if value else ""
        for key, value in self.headers:
            if key == wanted:
                if found not in (b"", value):
                    return ""
                found = value
        return found.decode("latin-1").strip()


NOWHERE = Arrival()


class Credentials(Struct, frozen=True):
    """What the caller presented. `secret` is the hub's key; `upstream` their own provider credential, if any.

    `user` is whom a browser's sign-in stands for, which the edge has looked up; it never comes from the wire.

    `upstream` is a header (name, value) and exists only when the hub key came in `x-hub-key`. `arrival` is how the
    request came that presents them: where access depends on it and it is not known, nothing is granted.
    """

    secret: str = ""
    upstream: tuple[str, str] | None = None
    arrival: Arrival = NOWHERE
    user: str = ""

    def __repr__(self) -> str:
        """Never shows the secret."""
        return "Credentials(...)"


class Origin(Struct, frozen=True):
    """Where a call came from: its request id, agent session, tags, client address and user agent.

    `trace` is the caller's place in a trace; `capture` how much of the call they want kept at most; `guardrails` the
    rules that they want enforced beside those that hold anyway.
    """

    request_id: str
    session: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    client: str = ""
    agent: str = ""
    door: str = "api"
    trace: TraceContext | None = None
    capture: Capture | None = None
    guardrails: tuple[str, ...] = ()


class ModelRequest(Struct, frozen=True):
    """A request for a model as the edge read it: `body` is whole and within its cap, nobody has looked into it yet.

    `headers` are those that belong to the provider (betas, versions), lower case; `query` is the raw query
    string; `route` the value of `x-hub-route`; `receipt` whether a stream shall end in a comment with its cost.
    `model` and `stream` are what the path says, in dialects that say it there.
    """

    dialect: Dialect
    body: bytes
    origin: Origin
    credentials: Credentials = Credentials()
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    model: str = ""
    stream: bool = False
    route: str = ""
    receipt: bool = False


class ModelCall(Struct, frozen=True):
    """One call of a model, as it arrived. `body` is the caller's own JSON; only `model` will be rewritten.

    `headers` are the request headers that belong to the provider (betas, versions), lower case.
    `max_output` is the caller's own cap on output tokens, `answers` how many of that they ask for, `query` the raw query
    string. `route` is the route they named, `receipt` whether a stream ends in a comment with its cost. `credential` is their own
    provider credential, a header (name, value). `strict` refuses what cannot be carried whole. `places` says where
    in `body` the fields stand that the hub may rewrite: name to (start, end). `model` is the model's own name;
    `asked` the one that stands in the body, where that is another. `sent` says that a rule or a budget chose the model, and
    not the caller. `arrival` is how the request came, for rules.
    """

    id: str
    dialect: Dialect
    model: str
    stream: bool
    body: bytes
    origin: Origin
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    max_output: int | None = None
    answers: int = 1
    wants_usage: bool = False
    route: str = ""
    receipt: bool = False
    strict: bool = False
    credential: tuple[str, str] | None = None
    asked: str = ""
    sent: bool = False
    arrival: Arrival = NOWHERE
    places: Mapping[str, tuple[int, int]] = {}

    def __repr__(self) -> str:
        """Never shows a credential, nor what is said."""
        return f"ModelCall(id={self.id!r}, dialect={self.dialect.value!r}, model={self.model!r})"

    @property
    def named(self) -> str:
        """The model's name as it stands in the body."""
        return self.asked or self.model


class ToolCall(Struct, frozen=True):
    """One call of a tool through a profile. `tool` is the name the client saw; `arguments` is raw JSON.

    What else of a server is asked for by name is such a call too: then `method` says what, and `tool` begins with
    `prompts/`, `resources/`, `completion/` or `tasks/`. `rest` are the other members of the request's params, a JSON
    object.
    """

    id: str
    profile: str
    tool: str
    arguments: bytes
    origin: Origin
    meta: bytes = b"{}"
    method: str = "tools/call"
    rest: bytes = b"{}"


class Reply(Struct, frozen=True):
    """What goes back to the caller: status, headers and either `body` or a stream of chunks.

    The reply owns what was opened for the call. Whoever writes it out enters it (`async with reply`);
    leaving unwinds the stages in reverse: upstream, then policy, then the ledger.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None
    held: Unwinding | None = None

    def owning(self, held: Unwinding) -> "Reply":
        """The same reply, now responsible for unwinding `held`."""
        return Reply(self.status, self.headers, self.body, self.chunks, held)

    def with_headers(self, extra: Mapping[str, str]) -> "Reply":
        """The same reply with `extra` added to its headers."""
        return Reply(self.status, {**self.headers, **extra}, self.body, self.chunks, self.held)

    def unwind(self, error: BaseException | None = None) -> None:
        """Unwind the stages, without waiting. Raises what the call ends with, where that is not `error`."""
        if self.held is not None:
            self.held.unwind(error)

    async def __aenter__(self) -> Self:
        """Nothing is opened here: it was, on the way in."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unwind the stages."""
        self.unwind(error)
