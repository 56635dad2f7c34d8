"""What the demo model says: fixed rules over the last message, so that the same call always gets the same answer."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.upstream.demo.arguments import fill

BYTES_PER_TOKEN = 4
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# Words that say nothing about which tool is meant.
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "that",
        "this",
        "what",
        "you",
        "can",
        "are",
        "use",
        "tool",
        "call",
        "please",
        "from",
        "get",
        "set",
        "into",
        "your",
        "about",
        "how",
        "does",
        "will",
        "it",
        "is",
        "to",
        "of",
        "in",
        "on",
        "me",
        "my",
        "do",
        "or",
        "an",
        "be",
        "as",
        "at",
        "by",
        "list",
        "make",
        "give",
        "tell",
        "show",
        "run",
    ]
)
_MOST_PROMPT = 2000
_MOST_QUOTE = 600


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the caller offers, with the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, whatever its dialect. `result` is the tool's answer that the last message brings, if it does.

    `choice` is `auto`, `none`, `required` or the name of the tool that must be called after a colon.
    `tokens` is the size of the prompt; `schema` the form that the answer must have.
    """

    model: str
    prompt: str
    result: str | None
    tools: tuple[Tool, ...]
    choice: str
    max_tokens: int | None
    stop: tuple[str, ...]
    tokens: int
    schema: Any = None


@dataclass(frozen=True, slots=True)
class Said:
    """The answer: `text`, or a call of `tool` with `arguments` (JSON). `ended` is stop, length, sequence or tool."""

    text: str = ""
    tool: str = ""
    arguments: str = ""
    ended: str = "stop"
    sequence: str = ""

    @property
    def tokens(self) -> int:
        """Its size in tokens."""
        return count_tokens(self.text) + count_tokens(self.tool + self.arguments)


def count_tokens(text: str) -> int:
    """Tokens of a text: one for every four bytes, begun ones included."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def answer(asked: Asked) -> Said:
    """The demo model's answer."""
    tool = _wanted(asked)
    if tool is not None:
        arguments = fill(tool.schema, asked.prompt[:_MOST_PROMPT])
        made = arguments if isinstance(arguments, dict) else {}
        return Said(tool=tool.name, arguments=msgspec.json.encode(made).decode(), ended="tool")
    return _cut(_text(asked), asked)


def _wanted(asked: Asked) -> Tool | None:
    if not asked.tools or asked.choice == "none":
        return None
    if asked.choice.startswith(":"):
        return next((tool for tool in asked.tools if tool.name == asked.choice[1:]), asked.tools[0])
    best = max(asked.tools, key=lambda tool: _likeness(tool, asked.prompt))
    if asked.choice == "required":
        return best
    return best if asked.result is None and _likeness(best, asked.prompt) >= 3 else None


def _words(text: str) -> frozenset[str]:
    words = (word.lower() for word in _WORD.findall(text[:_MOST_PROMPT]))
    return frozenset(word.removesuffix("s") for word in words if len(word) > 2 and word not in _COMMON)


def _likeness(tool: Tool, prompt: str) -> int:
    """How much a tool has to do with a prompt: three for a word of its name, one for a word of its description."""
    said, name = _words(prompt), _words(tool.name)
    return 3 * len(said & name) + len(said & (_words(tool.description) - name))


def _text(asked: Asked) -> str:
    if asked.schema is not None:
        return msgspec.json.encode(fill(asked.schema, asked.prompt[:_MOST_PROMPT])).decode()
    if asked.result is not None:
        return f"The tool answered: {_quoted(asked.result)} (I am the hub's demo model: I only repeat what it said.)"
    return (
        f"This is the demo model '{asked.model}'. It runs inside the hub, needs no network and only follows fixed rules. "
        f"You said: {_quoted(asked.prompt)} Configure a provider to talk to a real model."
    )


def _quoted(text: str) -> str:
    text = text.strip()
    return f'"{text}"' if len(text) <= _MOST_QUOTE else f'"{text[:_MOST_QUOTE]}..."'


def _cut(text: str, asked: Asked) -> Said:
    found = [(text.index(sequence), sequence) for sequence in asked.stop if sequence and sequence in text]
    at, sequence = min(found, default=(len(text), ""))
    kept = text[:at]
    if asked.max_tokens is not None and count_tokens(kept) > asked.max_tokens:
        most = max(asked.max_tokens, 0) * BYTES_PER_TOKEN
        return Said(text=kept.encode(errors="replace")[:most].decode(errors="ignore"), ended="length")
    return Said(text=kept, ended="sequence" if sequence else "stop", sequence=sequence)


def pieces(text: str) -> list[str]:
    """A text in the pieces in which it is streamed: a few words each."""
    return re.findall(r"\s*\S+(?:\s+\S+){0,2}\s*$|\s*\S+(?:\s+\S+){0,2}", text) or ([text] if text else [])
