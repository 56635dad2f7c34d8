"""The lane of one attempt: bytes untouched where both sides speak one dialect, a translation otherwise."""

import time

import msgspec

from hub.core.calls import Dialect, ModelCall
from hub.core.plan import Deployment
from hub.core.refusal import Malformed, Refusal, UpstreamFailed
from hub.core.usage import Usage
from hub.core.wire import StreamReader, Whole
from hub.core.wordings import LOOKED_AT, MAY_BE_TOO_LONG, TOO_LONG
from hub.dialect.ask import Ask, Names, narrowed
from hub.dialect.codecs import HEARD, SPOKEN
from hub.dialect.errors import check_answer, error_body, is_json, message_of, too_long
from hub.dialect.estimate import estimate_tokens
from hub.dialect.given import Notes, parse
from hub.dialect.members import UNREADABLE, with_members
from hub.dialect.sealed import holds_sealed
from hub.dialect.tiers import mode_in, response_tier_in, tier_in
from hub.dialect.translation import TranslatingReader, lost
from hub.dialect.unsealing import unsealed
from hub.dialect.wires import WIRES, Wire

# What a caller of another dialect is translated to, the richest first.
_PREFERRED = (
    Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI, Dialect.OPENAI_RESPONSES, Dialect.BEDROCK, Dialect.OPENAI_CHAT,
)  # fmt: skip
_COUNTS = (Dialect.ANTHROPIC_COUNT, Dialect.GEMINI_COUNT)
REASONING = "x-hub-supports-reasoning"  # the caller says that thoughts need not be left out
# Whose replies name what decides their price, and how.
_TIERS = {Dialect.OPENAI_CHAT: tier_in, Dialect.OPENAI_RESPONSES: response_tier_in, Dialect.ANTHROPIC_MESSAGES: mode_in}
# The provider inside the process that gives back what it gets.
ECHO = "echo"


def lane(call: ModelCall, deployment: Deployment) -> "Passthrough | Estimate | Translate":
    """The lane of `call` to `deployment`. Raises Malformed when the call cannot be read for translation."""
    if call.dialect in deployment.paths:
        return Passthrough(call, deployment, WIRES[call.dialect])
    if call.dialect in _COUNTS:
        return Estimate(call, deployment, WIRES[call.dialect])
    spoken = next(dialect for dialect in _PREFERRED if dialect in deployment.paths)
    return Translate(call, deployment, spoken)


def told(call: ModelCall, status: int, body: bytes) -> bytes:
    """An error reply of a provider in the caller's dialect, in the provider's own words."""
    message, code = message_of(body)
    if status in MAY_BE_TOO_LONG and TOO_LONG.search(body, 0, LOOKED_AT):
        message, code = too_long(call.dialect, message)
    return error_body(call.dialect, Refusal(code or "upstream_error", message, status=status), call.origin.request_id)


class Passthrough:
    """Both sides speak one dialect. See `hub.core.wire.Lane`."""

    name = "passthrough"
    local = ""
    dropped: tuple[str, ...] = ()

    def __init__(self, call: ModelCall, deployment: Deployment, wire: Wire) -> None:
        self._call = call
        self._wire = wire
        self.spoken = call.dialect
        self.body = wire.request(call, deployment.model)
        members = deployment.members.get(self.spoken)
        if members:
            self.body = with_members(self.body, members)
        if holds_sealed(self.body):
            notes = Notes()
            self.body = unsealed(call.dialect, self.body, notes)
            self.dropped = notes.names
        self.keep_alive = wire.keep_alive

    def whole(self, body: bytes) -> Whole:
        """See `hub.core.wire.Lane`."""
        tier = _TIERS.get(self.spoken)
        usage = self._wire.usage(body) or self._wire.estimate(self._call, len(body))
        check_answer(self.spoken, body)
        return Whole(body, usage, tier(body) if tier is not None else "")

    def error(self, status: int, body: bytes) -> bytes:
        """See `hub.core.wire.Lane`. What is no JSON, such as the page of a proxy between, is told in the caller's dialect."""
        return body if is_json(body) else told(self._call, status, body)

    def reader(self) -> StreamReader:
        """See `hub.core.wire.Lane`."""
        return self._wire.reader(self._call)

    def error_event(self, refusal: Refusal, told: bytes = b"") -> bytes:
        """See `hub.core.wire.Lane`."""
        return self._wire.error_event(refusal, self._call.origin.request_id, told)


class Estimate(Passthrough):
    """The tokens of a call, where nobody counts them: by size. It never leaves the process."""

    name = "estimate"
    local = ECHO

    def __init__(self, call: ModelCall, deployment: Deployment, wire: Wire) -> None:
        super().__init__(call, deployment, wire)
        field = "input_tokens" if call.dialect is Dialect.ANTHROPIC_COUNT else "totalTokens"
        self.body = msgspec.json.encode({field: estimate_tokens(call.body)})


class Translate:
    """The two sides speak different dialects. See `hub.core.wire.Lane`."""

    name = "translate"
    local = ""

    def __init__(self, call: ModelCall, deployment: Deployment, spoken: Dialect) -> None:
        self._call = call
        self._wire = WIRES[call.dialect]
        self._heard = HEARD[call.dialect]
        self._spoken = SPOKEN[spoken]
        self.spoken = spoken
        self.keep_alive = self._wire.keep_alive
        notes = Notes()
        request = narrowed(self._heard.read_request(parse(call.body), notes))
        if call.arrival.header(REASONING).lower() == "true":
            request = msgspec.structs.replace(request, keeps_thoughts=True)
        body = self._spoken.write_request(request, deployment, call.stream, notes)
        for name, value in deployment.members.get(spoken, {}).items():
            body.pop(name, None)
            if value is not None:
                body[name] = value
        self.body = msgspec.json.encode(body)
        self.dropped = notes.names
        if call.strict and self.dropped:
            raise Malformed(
                "unsupported_field",
                f"{deployment.target} speaks {spoken}, into which these fields cannot be carried: "
                f"{', '.join(self.dropped)}. Leave them out, or let the key's 'strict' be false.",
            )
        self._ask = Ask(call, request, int(time.time()), deployment.model)
        self._names = Names(request.tools)

    def whole(self, body: bytes) -> Whole:
        """See `hub.core.wire.Lane`."""
        try:
            given = msgspec.json.decode(body, type=dict)
        except UNREADABLE:
            raise UpstreamFailed(
                "upstream_protocol", "The provider answered with something that is not a JSON object."
            ) from None
        check_answer(self.spoken, body)
        answer = self._spoken.read_answer(given)
        if self._names:
            answer = self._names.answer(answer)
        self.dropped = (*self.dropped, *lost(answer, self._call.dialect))
        usage = answer.usage or Usage(input=estimate_tokens(self._call.body), output=len(body) // 4, estimated=True)
        answer = msgspec.structs.replace(answer, usage=usage)  # agents cut their conversation by what they are told
        return Whole(msgspec.json.encode(self._heard.write_answer(answer, self._ask)), usage, answer.tier)

    def error(self, status: int, body: bytes) -> bytes:
        """See `hub.core.wire.Lane`. The provider's own words are kept."""
        return told(self._call, status, body)

    def reader(self) -> StreamReader:
        """See `hub.core.wire.Lane`."""
        spoken = self._spoken
        return TranslatingReader(
            spoken.splitter(), spoken.event_reader(), self._heard.event_writer(self._ask), self._names,
            estimate_tokens(self._call.body),
        )  # fmt: skip

    def error_event(self, refusal: Refusal, told: bytes = b"") -> bytes:
        """See `hub.core.wire.Lane`."""
        return self._wire.error_event(refusal, self._call.origin.request_id, told)
