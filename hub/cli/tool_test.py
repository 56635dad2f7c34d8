"""A profile tested as a client would use it: probe, list, contracts, and one harmless call per server."""

import time
from collections.abc import Iterator
from typing import Any

import mcp

MOST_NAME = 64
_MOST_DESCRIPTION = 2048  # characters: what Claude Code shows a model


def _row(server: str, check: str, outcome: str, detail: str = "", begun: float | None = None) -> dict[str, Any]:
    spent = "" if begun is None else round((time.monotonic() - begun) * 1000, 1)
    return {"server": server, "check": check, "outcome": outcome, "ms": spent, "detail": detail}


async def report_of(client: Any, known: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the report. `known` is what the hub says of the profile's tools."""
    rows = [
        _row("", "probe", "ok", f"revision {client.protocol_version}" if hasattr(client, "protocol_version") else "")
    ]
    begun = time.monotonic()
    listed = await client.list_tools()
    rows.append(_row("", "list", "ok", f"{len(listed.tools)} tools", begun))
    rows += [
        _row(gap["server"], "state", "failed", f"{gap['state']}: {gap['message']}")
        for gap in (listed.meta or {}).get("hub/gaps", [])
    ]
    tools = {tool.name: tool for tool in listed.tools}
    for server in known["servers"]:
        own = [
            tools[one["name"]] for one in known["tools"] if one["server"] == server["server"] and one["name"] in tools
        ]
        rows += _contracts(server["server"], own)
        rows.append(await _call(client, server["server"], own))
    return rows


def _contracts(server: str, tools: list[Any]) -> Iterator[dict[str, Any]]:
    faults: list[str] = []
    for tool in tools:
        if not tool.description:
            faults.append(f"{tool.name} has no description")
        elif len(tool.description) > _MOST_DESCRIPTION:
            faults.append(f"{tool.name}: its description has more than {_MOST_DESCRIPTION} characters")
        if len(tool.name) > MOST_NAME:
            faults.append(f"{tool.name}: its name has more than {MOST_NAME} characters")
        if tool.annotations is None:
            faults.append(f"{tool.name} says nothing of what it does (annotations)")
    yield _row(server, "contract", "warned" if faults else "ok", "; ".join(faults[:5]) or f"{len(tools)} tools")


async def _call(client: Any, server: str, tools: list[Any]) -> dict[str, Any]:
    """Call a tool that only reads and needs no argument."""
    for tool in tools:
        needed = tool.input_schema.get("required")
        if tool.annotations is not None and tool.annotations.read_only_hint and not needed:
            begun = time.monotonic()
            try:
                result = await client.call_tool(tool.name, {})
            except mcp.MCPError as error:
                return _row(server, f"call {tool.name}", "failed", str(error), begun)
            text = next((item.text for item in result.content if item.type == "text"), "")
            return _row(server, f"call {tool.name}", "failed" if result.is_error else "ok", text[:200], begun)
    return _row(server, "call", "skipped", "no tool only reads and needs no argument")
