"""YAML, edited in place by lines: comments, order and style of what is not touched stay."""

from collections.abc import Sequence
from typing import Any

import yaml

from hub.install.paths import ABSENT, Step, find, matches

Node = Any  # PyYAML's nodes


class NotYaml(ValueError):
    """The text is not YAML, or is laid out in a way that cannot be edited safely; the message says where."""


def data(text: str) -> Any:
    """The text as plain data. Raises NotYaml."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYaml(str(error)[:300]) from None


def _compose(text: str) -> Node:
    """The node tree, or None for a text that holds nothing."""
    data(text)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def put(text: str, path: Sequence[Step], value: Any) -> str:
    """`text` with `value` at `path`; what is missing on the way is made. Raises NotYaml."""
    node = _compose(text)
    if node is None:
        return _joined(text, _dump(_wrapped(path, value)))
    for depth, step in enumerate(path):
        index = _child(node, step)
        if index < 0:
            return _inserted(text, node, _member(step, _wrapped(path[depth + 1 :], value)))
        key, child = _pair(node, index)
        if depth + 1 < len(path) and not isinstance(child, yaml.MappingNode | yaml.SequenceNode):
            return _replaced(text, node, key, child, _wrapped(path[depth + 1 :], value))
        if depth + 1 == len(path):
            return text if find(data(text), path) == value else _replaced(text, node, key, child, value)
        node = child
    return text


def remove(text: str, path: Sequence[Step]) -> str:
    """`text` without what stands at `path`; the same text when nothing does. Raises NotYaml."""
    if find(data(text), path) is ABSENT:
        return text
    node: Node = _compose(text)
    parent: Node = None
    own: Node = None
    for step in path[:-1]:
        parent, own = node, _pair(node, _child(node, step))[0]
        node = _pair(node, _child(node, step))[1]
    index = _child(node, path[-1])
    if node.flow_style:
        value = find(data(text), path[:-1])
        kept = _without(value, path[-1])
        return _swap(text, node.start_mark.index, node.end_mark.index, _flow(kept))
    if len(node.value) == 1 and parent is not None:
        empty = "{}" if isinstance(node, yaml.MappingNode) else "[]"
        return _replaced_text(text, parent, own, node, f" {empty}")
    key, child = _pair(node, index)
    first = key.start_mark.line if key is not None else child.start_mark.line
    lines = text.splitlines(keepends=True)
    return "".join(lines[:first] + lines[_last_line(child) + 1 :])


def extend(text: str, path: Sequence[Step], items: list[Any]) -> str:
    """`text` with `items`, which are new to it, at the end of the list at `path`. Raises NotYaml."""
    node = _reached(_compose(text), path)
    if isinstance(node, yaml.SequenceNode) and node.value:
        return _inserted(text, node, items)
    return put(text, path, items)


def drop(text: str, path: Sequence[Step], steps: list[Step]) -> str:
    """`text` without the items that `steps` name of the list at `path`. Raises NotYaml."""
    node = _reached(_compose(text), path)
    if node.flow_style:
        kept = [one for one in find(data(text), path) if not any(matches(step, one) for step in steps)]
        return _swap(text, node.start_mark.index, node.end_mark.index, _flow(kept))
    # The last one of all is taken away by itself: with it goes the block, and nothing is left to hold.
    last = steps[:1] if len(steps) == len(node.value) else []
    lines = text.splitlines(keepends=True)
    for index in sorted((_child(node, step) for step in steps[len(last) :]), reverse=True):
        item = node.value[index]
        del lines[item.start_mark.line : _last_line(item) + 1]
    left = "".join(lines)
    return remove(left, (*path, *last)) if last else left


def _reached(node: Node, path: Sequence[Step]) -> Node:
    """The node at `path`, or None."""
    for step in path:
        index = _child(node, step)
        if index < 0:
            return None
        node = _pair(node, index)[1]
    return node


def _without(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return {name: one for name, one in value.items() if name != step}
    return [one for one in value if not matches(step, one)]


def _child(node: Node, step: Step) -> int:
    if isinstance(step, str):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return next((i for i, (key, _) in enumerate(pairs) if key.value == step), -1)
    items = node.value if isinstance(node, yaml.SequenceNode) else []
    for index, item in enumerate(items):
        members = {k.value: v.value for k, v in item.value} if isinstance(item, yaml.MappingNode) else None
        if matches(step, members):
            return index
    return -1


def _pair(node: Node, index: int) -> tuple[Node | None, Node]:
    found = node.value[index]
    return found if isinstance(node, yaml.MappingNode) else (None, found)


def _wrapped(path: Sequence[Step], value: Any) -> Any:
    for step in reversed(path):
        value = _member(step, value)
    return value


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1 << 20, default_flow_style=False)


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1 << 20, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _joined(text: str, block: str) -> str:
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{block}"


def _indented(block: str, width: int) -> str:
    return "".join(" " * width + line for line in block.splitlines(keepends=True))


def _last_line(node: Node) -> int:
    """The line on which a node's last word stands."""
    if isinstance(node, yaml.ScalarNode):
        if node.style in ("|", ">"):
            return int(node.end_mark.line) - (1 if node.end_mark.column == 0 else 0)
        return int(node.end_mark.line)
    if node.flow_style or not node.value:
        return int(node.end_mark.line) if node.flow_style else int(node.start_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, yaml.MappingNode) else last)


def _member(step: Step, value: Any) -> Any:
    """What holds `value` as its one member or item."""
    return {step: value} if isinstance(step, str) else [value]


def _inserted(text: str, node: Node, member: Any) -> str:
    if isinstance(member, dict) != isinstance(node, yaml.MappingNode):
        raise NotYaml(f"line {node.start_mark.line + 1}: this is not the kind of value that belongs here")
    if node.flow_style:
        return _inserted_flow(text, node, member)
    after = _last_line(node) + 1
    lines = text.splitlines(keepends=True)
    head = _joined("".join(lines[:after]), "")
    if head and not head.endswith("\n"):
        head += "\n"
    return head + _indented(_dump(member), node.start_mark.column) + "".join(lines[after:])


def _inserted_flow(text: str, node: Node, member: Any) -> str:
    inside = text[node.start_mark.index : node.end_mark.index]
    if "#" in inside:
        raise NotYaml(f"line {node.start_mark.line + 1}: write this value over several lines and try again")
    old = yaml.safe_load(inside)
    if not old and node.start_mark.column:
        column = len(text[: node.start_mark.index].rpartition("\n")[2])
        line = text[: node.start_mark.index].rpartition("\n")[2]
        indent = len(line) - len(line.lstrip(" "))
        if column and line.rstrip().endswith(":"):
            comment, rest = _line_end(text, node.end_mark.index)
            block = _indented(_dump(member), indent + 2).removesuffix("\n")
            return f"{text[: node.start_mark.index].rstrip(' ')}{comment}\n{block}{rest}"
    merged = {**old, **member} if isinstance(member, dict) else [*old, *member]
    return _swap(text, node.start_mark.index, node.end_mark.index, _flow(merged))


def _line_end(text: str, index: int) -> tuple[str, str]:
    """What stands on the rest of a line, if that is a comment, and the text from the end of the line on."""
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    line = text[index:end].rstrip("\r")
    return (line, text[index + len(line) :]) if line.strip().startswith("#") else ("", text[index:])


def _swap(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _replaced(text: str, parent: Node, key: Node | None, child: Node, value: Any) -> str:
    if isinstance(value, dict | list) and value and not parent.flow_style:
        if key is None:
            lines = text.splitlines(keepends=True)
            block = _indented(_dump([value]), parent.start_mark.column)
            return "".join(lines[: child.start_mark.line]) + block + "".join(lines[_last_line(child) + 1 :])
        block = _indented(_dump(value), key.start_mark.column + 2).removesuffix("\n")
        return _replaced_text(text, parent, key, child, f"\n{block}")
    return _replaced_text(text, parent, key, child, f" {_flow(value)}")


def _replaced_text(text: str, parent: Node, key: Node | None, child: Node, new: str) -> str:
    """Put `new` behind a key's colon, in place of the value with its lines."""
    if key is None or parent.flow_style:
        return _swap(text, child.start_mark.index, child.end_mark.index, new.strip(" "))
    colon = text.index(":", key.end_mark.index)
    lines = text.splitlines(keepends=True)
    last = _last_line(child)
    on_key_line = last == key.start_mark.line
    end = child.end_mark.index if on_key_line else sum(len(line) for line in lines[: last + 1])
    tail = text[end:]
    if not on_key_line:
        comment, _ = _line_end(text, colon + 1)  # behind the key, before the block that goes
        new = f"{comment}{new}" if new.startswith("\n") else f"{new}{comment}"
        tail = tail if new.endswith("\n") else "\n" + tail
    return text[: colon + 1] + new + tail
