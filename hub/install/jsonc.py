"""JSON with comments, edited in place: what is not touched keeps every byte, comments and commas included."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.install.paths import ABSENT, Step, matches

MAX_DEPTH = 64
_SPACE = " \t\r\n"
_WORDS = {"true": True, "false": False, "null": None}


class NotJson(ValueError):
    """The text is not JSON with comments; the message says where (line and column)."""


@dataclass(slots=True)
class Node:
    """One value and where it stands: `text[start:end]`. `keys` are the offsets of an object's keys."""

    start: int
    end: int
    value: Any
    children: list["Node"] = field(default_factory=list["Node"])
    names: list[str] = field(default_factory=list[str])
    keys: list[int] = field(default_factory=list[int])
    trailing_comma: int = -1

    def child(self, step: Step) -> int:
        """Which child a step leads to: the last of that name, as programs read it; -1 when there is none."""
        if isinstance(step, str):
            return next((i for i in reversed(range(len(self.names))) if self.names[i] == step), -1)
        return next((i for i, child in enumerate(self.children) if matches(step, child.value)), -1)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self._decoder = json.JSONDecoder(strict=False)

    def fail(self, what: str) -> NotJson:
        before = self.text[: self.at]
        line = before.count("\n") + 1
        return NotJson(f"line {line}, column {self.at - before.rfind(chr(10))}: {what}")

    def skip(self) -> None:
        """Pass white space and comments."""
        text = self.text
        while self.at < len(text):
            if text[self.at] in _SPACE:
                self.at += 1
            elif text.startswith("//", self.at):
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end < 0:
                    raise self.fail("a comment that does not end")
                self.at = end + 2
            else:
                return

    def value(self, depth: int) -> Node:
        self.skip()
        if depth > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH} levels")
        mark = self.text[self.at : self.at + 1]
        if mark == "{":
            return self._container("}", depth)
        if mark == "[":
            return self._container("]", depth)
        start = self.at
        if mark == '"':
            value = self._string()
            return Node(start, self.at, value)
        return self._scalar(start)

    def _string(self) -> str:
        if self.text[self.at : self.at + 1] != '"':
            raise self.fail("a text in double quotes is needed")
        try:
            value, self.at = self._decoder.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise self.fail(error.msg) from None
        return str(value)

    def _scalar(self, start: int) -> Node:
        end = start
        while end < len(self.text) and self.text[end] not in ",]}/" + _SPACE:
            end += 1
        word = self.text[start:end]
        try:
            value = _WORDS[word] if word in _WORDS else json.loads(word)
        except (ValueError, RecursionError):
            raise self.fail(f"'{word[:20]}' is not a value") from None
        self.at = end
        return Node(start, end, value)

    def _container(self, close: str, depth: int) -> Node:
        node = Node(self.at, self.at, {} if close == "}" else [])
        self.at += 1
        needs_comma = False
        while True:
            self.skip()
            mark = self.text[self.at : self.at + 1]
            if mark == close:
                self.at += 1
                node.end = self.at
                return node
            if mark == "," and needs_comma:
                node.trailing_comma, needs_comma = self.at, False
                self.at += 1
                continue
            if needs_comma or mark in ("", ","):
                raise self.fail(f"a comma or {close} is needed")
            node.trailing_comma, needs_comma = -1, True
            self._child(node, close, depth)

    def _child(self, node: Node, close: str, depth: int) -> None:
        if close == "]":
            child = self.value(depth + 1)
            node.value.append(child.value)
        else:
            node.keys.append(self.at)
            name = self._string()
            self.skip()
            if self.text[self.at : self.at + 1] != ":":
                raise self.fail("a colon is needed")
            self.at += 1
            child = self.value(depth + 1)
            node.names.append(name)
            node.value[name] = child.value
        node.children.append(child)


def parse(text: str) -> Node:
    """The tree of a text; an empty one is an empty object. Raises NotJson."""
    reader = _Reader(text)
    reader.skip()
    if reader.at == len(text):
        return Node(len(text), len(text), {})
    root = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.fail("something follows the value")
    return root


def put(text: str, path: Sequence[Step], value: Any) -> str:
    """`text` with `value` at `path`; what is missing on the way is made. Raises NotJson.

    A step that is a mapping finds the item of a list that has those members; an item that is not there is added.
    """
    root = parse(text)
    if root.start == root.end:
        end = "" if text.endswith("\n") else "\n"
        return f"{text}{_dumped(_wrapped(path, value), '', '  ', chr(10))}{end}"
    node = root
    for depth, step in enumerate(path):
        if not isinstance(node.value, dict if isinstance(step, str) else list):
            return _replaced(text, node, _wrapped(path[depth:], value))
        index = node.child(step)
        if index < 0:
            return _inserted(text, node, step, _wrapped(path[depth + 1 :], value))
        node = node.children[index]
    return text if node.value == value and type(node.value) is type(value) else _replaced(text, node, value)


def remove(text: str, path: Sequence[Step]) -> str:
    """`text` without what stands at `path`; the same text when nothing does. Raises NotJson."""
    node = parse(text)
    for step in path[:-1]:
        index = node.child(step)
        if index < 0:
            return text
        node = node.children[index]
    index = node.child(path[-1])
    return text if index < 0 else _cut(text, node, index)


def get(text: str, path: Sequence[Step]) -> Any:
    """The value at `path`, or ABSENT. Raises NotJson."""
    node = parse(text)
    for step in path:
        index = node.child(step)
        if index < 0:
            return ABSENT
        node = node.children[index]
    return node.value


def _wrapped(path: Sequence[Step], value: Any) -> Any:
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [value]
    return value


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    """What one level is indented by: the first indented line's white space."""
    for line in text.splitlines():
        stripped = line.lstrip(" \t")
        if stripped and stripped != line and not stripped.startswith(("*", "/")):
            return "\t" if line.startswith("\t") else line[: len(line) - len(stripped)]
    return "  "


def _indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at].removeprefix("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _dumped(value: Any, indent: str, unit: str, newline: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{newline}{indent}".join(lines)


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _replaced(text: str, node: Node, value: Any) -> str:
    spread = "\n" in text
    new = _dumped(value, _indent(text, node.start), _unit(text), _newline(text)) if spread else _inline(value)
    return text[: node.start] + new + text[node.end :]


def _inserted(text: str, node: Node, step: Step, value: Any) -> str:
    name = f"{json.dumps(step, ensure_ascii=False)}: " if isinstance(step, str) else ""
    inside = text[node.start + 1 : node.end - 1]
    newline, unit, outer = _newline(text), _unit(text), _indent(text, node.start)
    if "\n" not in inside and (node.children or inside.strip()):
        return _inserted_inline(text, node, name + _inline(value))
    indent = _indent(text, _start(node, 0)) if node.children else outer + unit
    if node.children and "\n" not in text[node.start : _start(node, 0)]:
        indent = outer + unit
    member = f"{newline}{indent}{name}{_dumped(value, indent, unit, newline)}"
    if not node.children:
        at = _after_comments(text, node.start + 1, node.end - 1)
        rest = text[at:]
        closing = "" if "\n" in text[at : node.end - 1] else f"{newline}{outer}"
        return text[:at] + member + closing + rest
    last = node.children[-1].end
    if node.trailing_comma >= 0:
        at = _after_line_comment(text, node.trailing_comma + 1, node.end - 1)
        return text[:at] + member + "," + text[at:]
    at = _after_line_comment(text, last, node.end - 1)
    closing = "" if "\n" in text[at : node.end - 1] else f"{newline}{outer}"
    return f"{text[:last]},{text[last:at]}{member}{closing}{text[at:]}"


def _inserted_inline(text: str, node: Node, member: str) -> str:
    if not node.children:  # only a comment
        return f"{text[: node.end - 1]}{member}{text[node.end - 1 :]}"
    at = node.trailing_comma + 1 if node.trailing_comma >= 0 else node.children[-1].end
    return f"{text[:at]}{' ' if node.trailing_comma >= 0 else ', '}{member}{text[at:]}"


def _start(node: Node, index: int) -> int:
    return node.keys[index] if node.keys else node.children[index].start


def _comments(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where comments begin and end in a stretch that holds nothing else but white space and commas."""
    at = start
    while at < end:
        if text.startswith("//", at):
            stop = text.find("\n", at, end)
            stop = end if stop < 0 else stop
        elif text.startswith("/*", at):
            stop = text.find("*/", at + 2) + 2
        else:
            at += 1
            continue
        yield at, stop
        at = stop


def _after_comments(text: str, start: int, end: int) -> int:
    return max((stop for _, stop in _comments(text, start, end)), default=start)


def _after_line_comment(text: str, start: int, end: int) -> int:
    """The end of a comment that stands behind a value on its line, else `start`."""
    line_end = text.find("\n", start, end)
    at = max((stop for _, stop in _comments(text, start, end if line_end < 0 else line_end)), default=start)
    return at - 1 if at > start and text[at - 1] == "\r" else at


def _cut(text: str, node: Node, index: int) -> str:
    """Without one child: its line goes with it, and the comma that joined it to its neighbours."""
    child, start = node.children[index], _start(node, index)
    last = index == len(node.children) - 1
    comma = _comma(text, child.end, node.end if last else _start(node, index + 1))
    head = text[:start].rstrip(" \t")
    own_line = head.endswith(("\n", "{", "["))
    end = comma + 1 if comma >= 0 else child.end
    before = text[:start]
    if last and comma < 0 and index > 0:
        previous = node.children[index - 1].end
        joint = _comma(text, previous, start)
        before = text[:joint] + text[joint + 1 : start]
    if own_line and before.rstrip(" \t").endswith("\n"):
        line_end = text.find("\n", end)
        if line_end >= 0 and not text[end:line_end].strip():
            return before[: len(before.rstrip(" \t"))] + text[line_end + 1 :]
        return _without_blank(before) + text[end:]
    rest = text[end:]
    return before.rstrip(" \t") + rest if last else before + rest.lstrip(" \t")


def _without_blank(before: str) -> str:
    cut = before.rstrip(" \t")
    cut = cut[:-1]
    return cut.removesuffix("\r")


def _comma(text: str, start: int, end: int) -> int:
    covered = list(_comments(text, start, end))
    for at in range(start, end):
        if text[at] == "," and not any(first <= at < stop for first, stop in covered):
            return at
    return -1
