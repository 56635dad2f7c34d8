"""The dialects as translators see them: readers and writers of requests, replies and streams, by dialect."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hub.core.calls import Dialect
from hub.core.plan import Deployment
from hub.dialect import (
    bedrock_answers,
    bedrock_streams,
    bedrock_to_neutral,
    chat_answers,
    chat_streams,
    chat_to_neutral,
    gemini_answers,
    gemini_streams,
    gemini_to_neutral,
    messages_answers,
    messages_streams,
    messages_to_neutral,
    neutral_to_bedrock,
    neutral_to_chat,
    neutral_to_gemini,
    neutral_to_messages,
    neutral_to_responses,
    responses_answers,
    responses_streams,
    responses_to_neutral,
)
from hub.dialect.ask import Ask
from hub.dialect.event_stream import EventStream
from hub.dialect.given import Notes
from hub.dialect.happenings import Happening, Searched
from hub.dialect.neutral import Answer, Request
from hub.dialect.sse import SseEvents


class EventReader(Protocol):
    """Reads the events of one stream."""

    done: bool

    def read(self, data: bytes, kind: str) -> Iterator[Happening | Searched]:
        """What one event says. Raises UpstreamFailed when it reports an error."""
        ...

    def finish(self) -> Iterator[Happening]:
        """What is still to be said when the upstream has ended; nothing when its stream is cut."""
        ...


class EventWriter(Protocol):
    """Writes the events of one stream."""

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        ...


class Splitter(Protocol):
    """Takes the bytes of a stream apart into events, each with its kind and data."""

    def feed(self, chunk: bytes) -> Iterable[tuple[str, bytes]]:
        """The events that `chunk` completes. Raises UpstreamFailed when they are none."""
        ...

    def finish(self) -> Iterable[tuple[str, bytes]]:
        """The event that the end of the stream completes, if any. Raises UpstreamFailed when it is cut in one."""
        ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """A dialect that an upstream may speak."""

    write_request: Callable[[Request, Deployment, bool, Notes], dict[str, Any]]
    read_answer: Callable[[dict[str, Any]], Answer]
    event_reader: Callable[[], EventReader]
    splitter: Callable[[], Splitter] = SseEvents


@dataclass(frozen=True, slots=True)
class Heard:
    """A dialect that a caller may speak."""

    read_request: Callable[[dict[str, Any], Notes], Request]
    write_answer: Callable[[Answer, Ask], dict[str, Any]]
    event_writer: Callable[[Ask], EventWriter]


SPOKEN: Mapping[Dialect, Spoken] = {
    Dialect.ANTHROPIC_MESSAGES: Spoken(
        neutral_to_messages.write_request, messages_answers.read_answer, messages_streams.MessagesReader
    ),
    Dialect.OPENAI_CHAT: Spoken(neutral_to_chat.write_request, chat_answers.read_answer, chat_streams.ChatReader),
    Dialect.OPENAI_RESPONSES: Spoken(
        neutral_to_responses.write_request, responses_answers.read_answer, responses_streams.ResponsesReader
    ),
    Dialect.GEMINI: Spoken(neutral_to_gemini.write_request, gemini_answers.read_answer, gemini_streams.GeminiReader),
    Dialect.BEDROCK: Spoken(
        neutral_to_bedrock.write_request, bedrock_answers.read_answer, bedrock_answers.BedrockReader, EventStream
    ),
}
HEARD: Mapping[Dialect, Heard] = {
    Dialect.ANTHROPIC_MESSAGES: Heard(
        messages_to_neutral.read_request, messages_answers.write_answer, messages_streams.MessagesWriter
    ),
    Dialect.OPENAI_CHAT: Heard(chat_to_neutral.read_request, chat_answers.write_answer, chat_streams.ChatWriter),
    Dialect.OPENAI_RESPONSES: Heard(
        responses_to_neutral.read_request, responses_answers.write_answer, responses_streams.ResponsesWriter
    ),
    Dialect.GEMINI: Heard(gemini_to_neutral.read_request, gemini_answers.write_answer, gemini_streams.GeminiWriter),
    Dialect.BEDROCK: Heard(
        bedrock_to_neutral.read_request, bedrock_answers.write_answer, bedrock_streams.BedrockWriter
    ),
}
