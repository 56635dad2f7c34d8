"""What a call of a model says, in a form that no vendor owns: the middle of every translation."""

import re
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from hub.core.usage import Usage

# Who can read an opaque block: the vendor that signed it. Thinking in the open belongs to nobody.
OPEN = "open"
LONGEST_NAME = 64
_ODD = re.compile(r"[^a-zA-Z0-9_-]")


class Citation(Struct, frozen=True, omit_defaults=True):
    """A source of a text. `start` and `end` count characters of the answer; `quote` is what the source says."""

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None
    raw: dict[str, Any] | None = None
    origin: str = ""


class Text(Struct, frozen=True):
    """Text. `cache` is the lifetime ("5m", "1h") of a cache mark that stands after the block, "" for none."""

    text: str
    cache: str = ""
    citations: tuple[Citation, ...] = ()
    logprobs: tuple[Any, ...] = ()
    signature: str = ""


class Media(Struct, frozen=True):
    """An image, audio, video or file: base64 `data`, or a `url`, or the vendor's `file_id`."""

    kind: str
    mime: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""
    cache: str = ""
    cited: bool = False


class Thinking(Struct, frozen=True):
    """Thinking. `signature` is opaque and only `origin` can read it; `redacted` when there is nothing else."""

    text: str = ""
    signature: str = ""
    origin: str = OPEN
    id: str = ""
    redacted: bool = False


class ToolUse(Struct, frozen=True):
    """A call of a tool. `arguments` is JSON, or plain text when the tool is `freeform`."""

    id: str
    name: str
    arguments: str = "{}"
    namespace: str = ""
    freeform: bool = False
    cache: str = ""
    signature: str = ""


class ToolResult(Struct, frozen=True):
    """What a tool answered to the call `id`."""

    id: str
    content: "tuple[Text | Media, ...]" = ()
    name: str = ""
    failed: bool = False
    freeform: bool = False
    cache: str = ""


class Refused(Struct, frozen=True):
    """The model's own words for why it does not answer."""

    text: str


Block = Text | Media | Thinking | ToolUse | ToolResult | Refused


class Message(Struct, frozen=True):
    """A turn. `role` is system, user or assistant; results of tools are the user's."""

    role: str
    content: tuple[Block, ...]
    name: str = ""


class Tool(Struct, frozen=True):
    """A function that the model may call. `freeform` takes plain text instead of an object."""

    name: str
    description: str = ""
    schema: Any = None
    strict: bool | None = None
    namespace: str = ""
    freeform: bool = False
    cache: str = ""

    @property
    def flat(self) -> str:
        """Its name where there are no namespaces."""
        return flat(self.namespace, self.name)


def flat(namespace: str, name: str) -> str:
    """A tool's name in one piece, of the characters and the length that every vendor takes.

    The same tool always gets the same name. What is too long is cut, and told apart by a hash.
    """
    whole = _ODD.sub("_", f"{namespace}__{name}" if namespace else name)
    if len(whole) <= LONGEST_NAME:
        return whole
    return f"{whole[: LONGEST_NAME - 9]}_{blake2b(whole.encode(), digest_size=4).hexdigest()}"


class Choice(Struct, frozen=True):
    """Which tool to call: kind is auto, none, required, or tool (then `name`, or one of `names`)."""

    kind: str
    name: str = ""
    names: tuple[str, ...] = ()


class Form(Struct, frozen=True):
    """The form that an answer must have: any JSON, or JSON of a schema."""

    schema: Any = None
    name: str = "answer"
    description: str = ""
    strict: bool | None = None


class Thought(Struct, frozen=True):
    """How much to think. `mode` is off, on, adaptive, or "" when nothing is said; `shown` whether to tell it."""

    mode: str = ""
    budget: int | None = None
    effort: str = ""
    shown: bool | None = None


class Request(Struct, frozen=True, kw_only=True):
    """A call. `extras` are fields that one vendor family has a home for, by their own names.

    `keeps_thoughts`: its caller says that the model takes back what another one thought.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    parallel: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence: float | None = None
    frequency: float | None = None
    seed: int | None = None
    count: int = 1
    stop: tuple[str, ...] = ()
    thought: Thought = Thought()
    form: Form | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    verbosity: str = ""
    user: str = ""
    tier: str = ""
    extras: dict[str, Any] = {}
    keeps_thoughts: bool = False


class Answer(Struct, frozen=True, kw_only=True):
    """A whole reply. `stop` is one of `STOPS`. `ratings` are Gemini's judgements of how harmful it is, as they came."""

    id: str
    model: str
    content: tuple[Block, ...]
    stop: str
    sequence: str = ""
    usage: Usage | None = None
    tier: str = ""
    created: int = 0
    ratings: tuple[Any, ...] = ()


STOPS = ("end", "length", "sequence", "tool", "refusal", "filter", "pause", "context")
