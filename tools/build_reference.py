"""Write docs/reference from the code: command line, settings, resources, routes, permissions, errors, dialects.

python tools/build_reference.py           write the pages
python tools/build_reference.py --check   exit 1 when a page differs from the code
"""

import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from cyclopts import App

from hub.cli.commands import COMMANDS
from hub.core import refusal
from hub.core.calls import Dialect
from hub.core.principal import Role
from hub.dialect.codecs import HEARD
from hub.edge.manage_api import route_rows
from hub.identity import TABLE, Permission
from hub.identity.permissions import DESCRIPTIONS
from hub.resources import KINDS
from hub.resources.provider_kinds import KINDS as PROVIDER_KINDS
from hub.routing import ENDPOINTS
from hub.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
WAYS = ("native", "translated", "estimated", "refused")
COUNTED = (Dialect.ANTHROPIC_COUNT, Dialect.GEMINI_COUNT)
NOTE = "<!-- Made by tools/build_reference.py from the code. Do not edit. -->\n"


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(headings)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def page(title: str, text: str, body: str) -> str:
    """A page with a heading, a sentence and what was generated."""
    return f"{NOTE}\n# {title}\n\n{text}\n\n{body}\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of the line with its function."""
    for name, target in COMMANDS.items():
        module, _, attribute = target.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, App):
            yield name, found
            continue
        if found.default_command is not None:
            yield name, found.default_command
        for sub in sorted(n for n in found if not n.startswith("-")):
            yield f"{name} {sub}", found[sub].default_command


def argument_rows(function: Any) -> Iterator[list[str]]:
    """A row for each argument of a command; those that come as one value, such as filters, one by one."""
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "connection":
            continue
        if is_dataclass(hints.get(parameter.name)):
            yield from argument_rows(hints[parameter.name])
            continue
        option = parameter.kind is parameter.KEYWORD_ONLY or is_dataclass(function)
        metadata = getattr(hints.get(parameter.name), "__metadata__", ())
        named = [name.lstrip("-") for m in metadata for name in getattr(m, "name", None) or ()]
        name_of = (named or [parameter.name.replace("_", "-")])[0]
        shown = f"--{name_of}" if option else parameter.name.upper()
        text = next((m.help for m in metadata if getattr(m, "help", None)), "")
        default = "" if parameter.default in (parameter.empty, None, False) else f"`{parameter.default}`"
        yield [f"`{shown}`", text, default]


def command_page() -> str:
    """`cli.md`."""
    parts = [
        NOTE,
        "# Command line\n",
        "Commands that need a running hub take `--url` and `--key`, else `HUB_URL` and `HUB_KEY`.",
    ]
    parts.append(
        "`--json` prints JSON for programs. Exit status: 0, 1 (failed), 2 (wrong usage), 3 (data newer than the program).\n"
    )
    for name, function in commands():
        parts.append(f"## `hub {name}`\n\n{inspect.getdoc(function)}\n")
        rows = list(argument_rows(function))
        if rows:
            parts.append(table(("argument", "meaning", "default"), rows) + "\n")
    return "\n".join(parts)


def settings_page() -> str:
    """`settings.md`."""
    rows = [
        [
            f"`HUB_{name.upper()}`",
            field.description or "",
            "" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`",
        ]
        for name, field in Settings.model_fields.items()
        if field.description
    ]
    text = "Read from the environment. What the hub serves is not a setting: it is a [resource](resources.md)."
    return page("Settings", text, table(("variable", "meaning", "default"), rows))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(option) for option in schema["anyOf"] if option.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


def _spec_section(name: str, schema: dict[str, Any], level: str) -> str:
    required = set(schema.get("required", ()))
    rows: list[list[str]] = []
    for field, details in schema.get("properties", {}).items():
        default = details.get("default")
        shown = (
            "needed"
            if field in required
            else ("" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{default}`")
        )
        rows.append([f"`{field}`", _type(details).replace("\\|", "|"), shown])
    return f"{level} {name}\n\n{schema.get('description', '')}\n\n{table(('field', 'type', 'default'), rows)}\n"


def resources_page() -> str:
    """`resources.md`."""
    parts = [
        NOTE,
        "# Resources\n",
        "Each kind is written in YAML as `kind: {name: spec}`. `hub schema` prints the same as JSON Schema.\n",
    ]
    shared: dict[str, dict[str, Any]] = {}
    for kind, model in KINDS.items():
        schema = model.model_json_schema()
        shared.update(schema.get("$defs", {}))
        parts.append(_spec_section(f"`{kind}`", schema, "##"))
    parts.append("## Nested\n")
    parts += [_spec_section(name, schema, "###") for name, schema in sorted(shared.items()) if "properties" in schema]
    return "\n".join(parts)


def routes_page() -> str:
    """`routes.md`."""
    rows = [
        [
            f"`{row.method}`",
            f"`{row.path.replace(':path}', '}')}`",
            row.summary,
            f"`{row.permission}`" + (f" or `{row.also}`" if row.also else ""),
        ]
        for row in route_rows()
    ]
    text = (
        "The OpenAPI document is at `/api/openapi.json`. What a caller sees depends on where they hold the permission. "
        "Every list takes `limit` and `cursor`. What a route does not take in its query is refused, 400 `malformed`, with the "
        "names that it takes."
    )
    return page("Management API", text, table(("method", "path", "what", "permission"), rows))


def permissions_page() -> str:
    """`permissions.md`."""
    rows = [
        [f"`{permission}`", DESCRIPTIONS[permission], *("yes" if permission in TABLE[role] else "" for role in Role)]
        for permission in Permission
        if permission is not Permission.PUBLIC
    ]
    text = "`admin` and `auditor` hold for the whole hub, the other roles in one team."
    return page("Roles and permissions", text, table(("permission", "what", *Role), rows))


def errors_page() -> str:
    """`errors.md`."""
    text = (
        "Every error has a stable code, a message that names the remedy, and the request id, in the caller's own shape."
    )
    return page("Errors", text, f"```text\n{inspect.cleandoc(refusal.__doc__ or '')}\n```")


GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


DIALECTS = {
    Dialect.OPENAI_CHAT: "Chat Completions",
    Dialect.OPENAI_RESPONSES: "Responses",
    Dialect.ANTHROPIC_MESSAGES: "Messages",
    Dialect.GEMINI: "generateContent",
    Dialect.BEDROCK: "Converse",
}
# A model of each kind of provider that is called in more than one dialect; elsewhere its name does not matter.
MODELS = {"vertex": ("gemini-3-pro", "claude-sonnet-4-6"), "openai": ("gpt-5",)}


def lost(caller: Dialect, spoken: Dialect) -> list[str] | None:
    """What a call with everything in it loses between two dialects; None where it passes as it is."""
    file = GOLDEN / f"{caller}-to-{spoken}.json"
    return json.loads(file.read_text(encoding="utf-8"))["dropped"] if file.exists() else None


def crossing(dialect: Dialect, paths: Mapping[Dialect, str]) -> str:
    """How a call in a dialect reaches a provider with these paths."""
    if dialect in paths:
        return "native"
    if dialect in COUNTED:
        return "estimated"
    return "translated" if dialect in HEARD and paths else "refused"


def support() -> dict[str, Any]:
    """Every endpoint with every kind of provider, and what is lost between dialects."""
    endpoints = {
        path: {
            f"{name} ({model})" if len(MODELS.get(name, ("",))) > 1 else name: crossing(dialect, kind.paths_of(model))
            for name, kind in PROVIDER_KINDS.items()
            for model in MODELS.get(name, ("",))
        }
        for dialect, path in ENDPOINTS.items()
    }
    pairs = {caller: {spoken: lost(caller, spoken) for spoken in DIALECTS} for caller in HEARD}
    return {"endpoints": endpoints, "lost_between_dialects": pairs}


def support_data() -> str:
    """`dialects.json`: the same as `dialects.md`, for programs."""
    return json.dumps(support(), indent=1) + "\n"


def dialects_page() -> str:
    """`dialects.md`, from what the golden tests hold and the rows of the providers."""
    rows: list[list[str]] = []
    for caller in HEARD:
        row = [f"{DIALECTS[caller]}, `{ENDPOINTS[caller]}`"]
        for spoken in DIALECTS:
            dropped = lost(caller, spoken)
            told = ", ".join(f"`{name}`" for name in dropped or ())
            row.append("as it is" if dropped is None else f"translated; not: {told}")
        rows.append(row)
    text = (
        "How a call crosses, by what the caller speaks (rows) and the provider (columns). Named is what a call with "
        "everything in it loses, as the tests in `tests/golden` hold it; the same names stand in `x-hub-dropped-fields`."
    )
    kinds = [
        [f"`{path}`", *(", ".join(f"`{name}`" for name in given if given[name] == how) for how in WAYS)]
        for path, given in support()["endpoints"].items()
    ]
    more = (
        "\n\n## Endpoints and kinds of providers\n\nWhat is refused gets 404 `model_not_routed`. Programs read all of this in "
        "[dialects.json](dialects.json).\n\n"
    )
    pairs = table(("caller", *DIALECTS.values()), rows)
    return page("Dialects", text, pairs + more + table(("endpoint", *WAYS), kinds))


PAGES = {
    "dialects.md": dialects_page,
    "dialects.json": support_data,
    "cli.md": command_page,
    "settings.md": settings_page,
    "resources.md": resources_page,
    "routes.md": routes_page,
    "permissions.md": permissions_page,
    "errors.md": errors_page,
}


def main() -> None:
    """Write or check every page."""
    stale: list[str] = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        text = make()
        file = FOLDER / name
        if "--check" in sys.argv:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            file.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"Not as the code says: {', '.join(stale)}. Run: python tools/build_reference.py")


if __name__ == "__main__":
    main()
