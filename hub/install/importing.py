"""Client configurations in, servers and a profile out: a proposal, with every secret taken out of it.

Claude Code, Cursor and the like have `mcpServers`, VS Code has `servers` and `inputs`, Codex has `mcp_servers`,
opencode `mcp`, Zed `context_servers`. What is not a server is left alone.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.core.refusal import Malformed
from hub.install.documents import Uneditable, read

_BLOCKS = ("mcpServers", "servers", "mcp_servers", "context_servers", "mcp")
_SUFFIXES = {".json": "json", ".jsonc": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
_SECRET_NAME = re.compile(
    r"token|key|secret|password|passwd|credential|auth|cookie|session|private|\bpat\b", re.IGNORECASE
)
_VARIABLE = re.compile(r"^\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}$|^\{env:([A-Za-z_][A-Za-z0-9_]*)\}$")
_LOOKS_SECRET = re.compile(
    r"^(?:sk-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA|AIza|hub_|eyJ)|^(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_=-]{32,}$"
)
_FLAG = re.compile(r"^--?[A-Za-z][A-Za-z0-9-]*(?:=|$)")
_URLS = ("url", "httpUrl", "serverUrl", "uri")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to apply: resources as `hub apply` takes them, secrets by vault name, and what a person has to look at."""

    servers: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()

    def resources(self, profile: str, title: str = "") -> dict[str, dict[str, Any]]:
        """The servers, and a profile that takes all their tools."""
        members = {name: {} for name in self.servers}
        about = title or f"Imported: {profile}"
        return {"servers": dict(self.servers), "profiles": {profile: {"title": about, "servers": members}}}


def proposal(files: Mapping[str, str]) -> Proposal:
    """The proposal for files (name to text). Raises Malformed for one that cannot be read or holds no server."""
    collected = _Collected()
    for name, text in files.items():
        suffix = "." + name.rpartition(".")[2].lower()
        try:
            data = read(_SUFFIXES.get(suffix, "json"), text)
        except Uneditable as error:
            raise Malformed("malformed", f"{name}: {error}.") from None
        found = list(_entries(data))
        if not found:
            raise Malformed("malformed", f"{name} configures no MCP server that is known here ({', '.join(_BLOCKS)}).")
        for label, entry in found:
            collected.add(label, entry, name)
    return Proposal(collected.servers, collected.secrets, tuple(collected.notes))


def _entries(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every server of a file, also those that Claude Code keeps per project."""
    if not isinstance(data, Mapping):
        return
    for block in _BLOCKS:
        inner = data.get(block)
        if isinstance(inner, Mapping):
            nested = inner.get("servers") if block == "mcp" and isinstance(inner.get("servers"), Mapping) else inner
            for name, entry in nested.items() if isinstance(nested, Mapping) else ():
                if isinstance(entry, Mapping):
                    yield str(name), entry
        elif isinstance(inner, list):
            for entry in inner:
                if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                    yield entry["name"], entry
    projects = data.get("projects")
    for project in projects.values() if isinstance(projects, Mapping) else ():
        yield from _entries({"mcpServers": project.get("mcpServers")} if isinstance(project, Mapping) else None)


class _Collected:
    """Servers and secrets as they are found."""

    def __init__(self) -> None:
        self.servers: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, str] = {}
        self.notes: list[str] = []

    def add(self, label: str, entry: Mapping[str, Any], source: str) -> None:
        """Take one server in, under a name of its own."""
        name = re.sub(r"[^a-z0-9_-]+", "-", label.lower()).strip("-_")[:32].strip("-_") or "server"
        spec = self._spec(name, entry)
        if spec is None:
            self.notes.append(f"{source}: '{label}' has neither a command nor an address, and is left out.")
            return
        if self.servers.get(name) == spec:
            return
        base, number = name[:29], 2
        while name in self.servers:
            name, number = f"{base}-{number}", number + 1
        self.servers[name] = spec
        if entry.get("disabled") is True or entry.get("enabled") is False:
            self.servers[name]["enabled"] = False

    def _spec(self, name: str, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        url = next((entry[field] for field in _URLS if isinstance(entry.get(field), str)), None)
        if url is not None:
            return self._remote(name, url, entry)
        command = entry.get("command")
        words = [command, *entry.get("args", [])] if isinstance(command, str) else command
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or not words:
            return None
        spec: dict[str, Any] = {"command": list(words)}
        env = entry.get("env") or entry.get("environment")
        if isinstance(env, Mapping) and env:
            spec["env"] = {str(key): self._value(name, str(key), str(value)) for key, value in env.items()}
        if isinstance(entry.get("cwd"), str):
            spec["cwd"] = entry["cwd"]
        self._hide_words(name, spec)
        return spec

    def _hide_words(self, name: str, spec: dict[str, Any]) -> None:
        """Secrets among a command's words move into its environment: a shell puts them back when it starts."""
        words: list[str] = spec["command"]
        quoted = [shlex.quote(word) for word in words]
        for index, word in enumerate(words):
            secret = _secret_in(words, index)
            if secret:
                variable = f"HUB_IMPORTED_{index}"
                spec.setdefault("env", {})[variable] = self._reference(name, f"argument-{index}", secret)
                quoted[index] = f'{shlex.quote(word[: len(word) - len(secret)])}"${variable}"'
        if any(new != shlex.quote(word) for new, word in zip(quoted, words, strict=True)):
            spec["command"] = ["sh", "-c", f"exec {' '.join(quoted)}"]
            self.notes.append(
                f"{name}: a secret stood among its arguments; it is now given by a variable, through a shell."
            )

    def _remote(self, name: str, url: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        spec: dict[str, Any] = {"url": url}
        host = urlsplit(url).hostname or ""
        if host in ("localhost", "::1") or host.startswith(("127.", "10.", "192.168.", "172.")):
            spec["allow_private"] = True
        if entry.get("type") == "sse" and not url.rstrip("/").endswith("/sse"):
            self.notes.append(f"{name}: it is an SSE server; the hub speaks streamable HTTP to it first.")
        headers = entry.get("headers") or entry.get("http_headers") or _nested_headers(entry)
        named = entry.get("bearer_token_env_var")
        if isinstance(named, str):
            spec["auth"] = {"type": "bearer", "secret": f"env:{named}"}
        for header, value in headers.items() if isinstance(headers, Mapping) else ():
            self._header(name, spec, str(header), str(value))
        return spec

    def _header(self, name: str, spec: dict[str, Any], header: str, value: str) -> None:
        scheme, _, token = value.partition(" ")
        if header.lower() == "authorization" and scheme.lower() == "bearer" and token:
            spec["auth"] = {"type": "bearer", "secret": self._reference(name, "token", token.strip())}
        elif _SECRET_NAME.search(header) or _LOOKS_SECRET.match(value) or "${" in value:
            if "auth" in spec:
                self.notes.append(f"{name}: header {header} looks like a second credential; add it by hand.")
                self._keep(name, header.lower(), value)
                return
            spec["auth"] = {"type": "header", "header": header, "secret": self._reference(name, header.lower(), value)}
        else:
            spec.setdefault("headers", {})[header] = value

    def _value(self, name: str, key: str, value: str) -> str:
        """A variable of a program: by reference when it is a secret or another variable."""
        if _VARIABLE.match(value) or _SECRET_NAME.search(key) or _LOOKS_SECRET.match(value):
            return self._reference(name, key.lower(), value)
        return value

    def _reference(self, name: str, what: str, value: str) -> str:
        variable = _VARIABLE.match(value)
        if variable:
            return f"env:{variable.group(1) or variable.group(2)}"
        if value.startswith("${input:"):
            reference = f"vault:{_vault_name(name, what)}"
            self.notes.append(f"{name}: VS Code asked for this value; set it with: hub secret set {reference[6:]}")
            return reference
        return self._keep(name, what, value)

    def _keep(self, name: str, what: str, value: str) -> str:
        key = _vault_name(name, what)
        self.secrets[key] = value
        return f"vault:{key}"


def _nested_headers(entry: Mapping[str, Any]) -> Any:
    options = entry.get("requestOptions")
    return options.get("headers") if isinstance(options, Mapping) else None


def _vault_name(name: str, what: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", f"{name}.{what}".lower()).strip("-._")[:64].strip("-._")


def _secret_in(words: list[str], index: int) -> str:
    """What of a word is a secret: all of it, what follows its `=`, or nothing ("")."""
    word = words[index]
    flag, equals, value = word.partition("=")
    if _FLAG.match(word) and equals:
        return value if _SECRET_NAME.search(flag) or _LOOKS_SECRET.match(value) else ""
    if word.startswith("-") or index == 0:
        return ""
    named = _FLAG.match(words[index - 1]) and "=" not in words[index - 1] and _SECRET_NAME.search(words[index - 1])
    return word if named or _LOOKS_SECRET.match(word) else ""
