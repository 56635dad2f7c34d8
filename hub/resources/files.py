"""YAML files in, resources out: any number of files, merged, with file and line for every fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hub.core.refusal import Fault, InvalidSpec
from hub.resources.kinds import KINDS, Specs, parse

MAX_BYTES = 8 * 1024 * 1024
MAX_NODES = 200_000
MAX_DEPTH = 64

Raw = dict[str, dict[str, dict[str, Any]]]
Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What files say: raw specs by kind and name, the file of each, and the line of every field."""

    resources: Raw = field(default_factory=dict[str, dict[str, dict[str, Any]]])
    files: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    lines: Mapping[Path_, str] = field(default_factory=dict[Path_, str])

    def where(self, path: str) -> str:
        """`file:line` of the field at a dotted fault path, or of the nearest thing around it."""
        best = ""
        best_length = 0
        for known, place in self.lines.items():
            dotted = ".".join(known)
            if len(dotted) >= best_length and (path == dotted or path.startswith(f"{dotted}.")):
                best, best_length = place, len(dotted)
        return best


class _Reader:
    """Turns one YAML document into plain data, remembering lines and refusing what is not plain."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._nodes = 0
        self._scalars = yaml.SafeLoader("")
        self.lines: dict[Path_, str] = {}

    def refuse(self, node: Node, path: Path_, message: str) -> InvalidSpec:
        return InvalidSpec([Fault(".".join(path), message, self._place(node))])

    def _place(self, node: Node) -> str:
        return f"{self._file}:{node.start_mark.line + 1}"

    def plain(self, node: Node, path: Path_) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise self.refuse(node, path[:4], f"too large: at most {MAX_NODES} values, {MAX_DEPTH} levels deep")
        self.lines.setdefault(path, self._place(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.plain(item, (*path, str(index))) for index, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self.refuse(key_node, path, "a field's name is a plain word")
            key = key_node.value
            if key in result:
                raise self.refuse(key_node, (*path, key), f"'{key}' stands here twice; remove one")
            self.lines[(*path, key)] = self._place(key_node)
            result[key] = self.plain(value_node, (*path, key))
        return result

    def _scalar(self, node: ScalarNode, path: Path_) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise self.refuse(node, path, f"cannot be read: {str(error).splitlines()[0]}") from None


def _document(text: str, file: str) -> tuple[dict[str, Any], dict[Path_, str]]:
    reader = _Reader(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidSpec([Fault("", f"not YAML: {error.problem}", f"{file}:{line}")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidSpec([Fault("", f"not YAML: {str(error).splitlines()[0]}", file)]) from None
    if node is None:
        return {}, {}
    if not isinstance(node, MappingNode):
        raise reader.refuse(node, (), f"a file holds kinds at its top level: {', '.join(KINDS)}")
    return reader.plain(node, ()), reader.lines


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InvalidSpec([Fault("", f"larger than {MAX_BYTES} bytes", str(file))])
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec([Fault("", f"cannot be read: {error}", str(file))]) from None


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            raise InvalidSpec([Fault("", "no *.yaml file in this folder", str(path))])
        files.extend(file for file in found if file not in files)
    return files


def _anchored(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A server's spec with its relative program, document and working folder resolved against the file's own folder."""
    anchored = dict(spec)
    command = spec.get("command")
    if isinstance(command, list) and command and isinstance(command[0], str) and command[0].startswith("."):
        anchored["command"] = [str((folder / command[0]).absolute()), *command[1:]]
    document = spec.get("openapi")
    if isinstance(document, str) and not document.startswith(("http://", "https://", "/")):
        anchored["openapi"] = str((folder / document).resolve())
    if isinstance(spec.get("cwd"), str):
        anchored["cwd"] = str((folder / spec["cwd"]).resolve())
    return anchored


def load(paths: Iterable[Path]) -> Loaded:
    """Read and merge files (a folder means its *.yaml), without validating specs.

    A server's `command` that begins with a dot, its `openapi` and its `cwd` are relative to the file.
    Raises InvalidSpec naming file and line: not YAML, unknown kind, a name given twice.
    """
    resources: Raw = {}
    files: dict[tuple[str, str], str] = {}
    lines: dict[Path_, str] = {}
    for file in _files(paths):
        document, places = _document(_read(file), str(file))
        for kind, named in document.items():
            if kind not in KINDS:
                raise InvalidSpec(
                    [Fault(kind, f"there is no kind '{kind}'; kinds: {', '.join(KINDS)}", places[(kind,)])]
                )
            if named is None:
                continue
            if not isinstance(named, dict):
                raise InvalidSpec([Fault(kind, "a mapping from names to specs is needed", places[(kind,)])])
            for name, spec in named.items():
                if (kind, name) in files:
                    message = f"already given in {files[kind, name]}; remove one"
                    raise InvalidSpec([Fault(f"{kind}.{name}", message, places[kind, name])])
                spec = {} if spec is None else spec
                if kind == "servers" and isinstance(spec, dict):
                    spec = _anchored(spec, file.absolute().parent)
                resources.setdefault(kind, {})[name] = spec
                files[kind, name] = str(file)
        lines.update(places)
    return Loaded(resources, files, lines)


def parse_all(loaded: Loaded) -> Specs:
    """Validate every resource by itself. Raises InvalidSpec with all faults, each with file and line."""
    specs: Specs = {}
    faults: list[Fault] = []
    for kind, named in loaded.resources.items():
        for name, raw in named.items():
            try:
                specs.setdefault(kind, {})[name] = parse(kind, name, raw)
            except InvalidSpec as error:
                faults.extend(Fault(fault.path, fault.message, loaded.where(fault.path)) for fault in error.faults)
    if faults:
        raise InvalidSpec(faults)
    return specs
