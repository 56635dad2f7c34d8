"""The dialects that callers speak: what the hub reads of a request, a reply and a stream that pass untouched."""

from collections.abc import Mapping
from typing import Protocol

from hub.core.calls import Dialect, ModelCall
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.core.wire import StreamReader
from hub.dialect.anthropic_messages import AnthropicMessages
from hub.dialect.bedrock_api import Converse
from hub.dialect.counts import AnthropicCount, GeminiCount
from hub.dialect.fields import Peek
from hub.dialect.gemini_api import Gemini
from hub.dialect.multipart import FormWire
from hub.dialect.openai_chat import OpenAIChat
from hub.dialect.openai_responses import OpenAIResponses
from hub.dialect.plain import PlainWire


class Wire(Protocol):
    """One dialect, as the passthrough lane needs it."""

    @property
    def keep_alive(self) -> bytes:
        """What fills silence in a stream without meaning anything."""
        ...

    def peek(self, body: bytes) -> Peek:
        """Read what the hub acts on. Raises Malformed."""
        ...

    def request(self, call: ModelCall, model: str) -> bytes:
        """The call's body for upstream model `model`: byte-faithful but for the model's name and the wish for usage."""
        ...

    def usage(self, body: bytes) -> Usage | None:
        """What a whole reply says it used; None when it does not say.

        Raises UpstreamFailed `upstream_protocol` when the body is not a JSON object.
        """
        ...

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """What a call used whose reply does not say, by its size."""
        ...

    def reader(self, call: ModelCall) -> StreamReader:
        """A reader for the call's stream."""
        ...

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """The event that ends a stream which cannot go on."""
        ...


WIRES: Mapping[Dialect, Wire] = {
    Dialect.OPENAI_CHAT: OpenAIChat(),
    Dialect.OPENAI_RESPONSES: OpenAIResponses(),
    Dialect.ANTHROPIC_MESSAGES: AnthropicMessages(),
    Dialect.GEMINI: Gemini(),
    Dialect.BEDROCK: Converse(),
    Dialect.ANTHROPIC_COUNT: AnthropicCount(),
    Dialect.GEMINI_COUNT: GeminiCount(),
    Dialect.OPENAI_COMPLETIONS: OpenAIChat(),  # the same envelope, caps, stream options and usage
    Dialect.OPENAI_EMBEDDINGS: PlainWire(),
    Dialect.OPENAI_IMAGES: PlainWire("image"),
    Dialect.OPENAI_SPEECH: PlainWire("audio"),
    Dialect.OPENAI_TRANSCRIPTIONS: FormWire(),
    Dialect.OPENAI_MODERATIONS: PlainWire(),
    Dialect.RERANK: PlainWire(),
}
