"""Tools of a profile: list them, call one."""

import asyncio
import json
from typing import Annotated, Any

import httpx2
import mcp
from cyclopts import App, Parameter
from mcp.client.streamable_http import streamable_http_client

from hub.cli.client import Connection, problem
from hub.cli.output import say, show_json, table, warn
from hub.core.refusal import Malformed, Refusal

app = App(name="tools", help="Try the tools of a profile, as any MCP client would.")


def _http(connection: Connection) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {connection.key}"} if connection.key else {}
    return httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(15, read=600), trust_env=False)


async def _check(http: httpx2.AsyncClient, url: str) -> None:
    """Ask once by hand, so that a refusal is shown as the hub words it."""
    try:
        response = await http.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "ping"})
    except httpx2.HTTPError as error:
        raise Refusal("unreachable", f"There is no hub at {url}: {error}. Start one with 'hub serve'.") from None
    if response.status_code in (401, 403, 404):
        raise problem(response)


async def _session(connection: Connection, profile: str, use: Any) -> Any:
    url = f"{connection.url.rstrip('/')}/mcp/{profile}"
    async with _http(connection) as http:
        await _check(http, url)
        async with mcp.Client(streamable_http_client(url, http_client=http)) as client:
            return await use(client)


def _run(connection: Connection, profile: str, use: Any) -> Any:
    try:
        return asyncio.run(_session(connection, profile, use))
    except mcp.MCPError as error:
        raise Refusal("mcp_error", str(error)) from None
    except BaseExceptionGroup as group:
        raise _innermost(group) from None


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Refusal("mcp_error", str(error)) if isinstance(error, mcp.MCPError) else error


@app.command(name="list")
def list_(profile: str, *, connection: Connection = Connection()) -> None:
    """List the tools that your key sees in a profile."""

    async def use(client: mcp.Client) -> Any:
        return await client.list_tools()

    found = _run(connection, profile, use)
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in found.tools]
    if connection.json:
        show_json(tools)
        return
    table(
        ("tool", "about", "tokens"),
        (
            (
                tool["name"],
                tool.get("description", "").strip().splitlines()[0][:90] if tool.get("description") else "",
                len(json.dumps(tool)) // 4,
            )
            for tool in tools
        ),
        right=("tokens",),
    )
    _show_cost(connection, profile)
    for gap in (found.meta or {}).get("hub/gaps", []):
        warn(f"{gap['server']} is {gap['state']}: {gap['message']}")


def _show_cost(connection: Connection, profile: str) -> None:
    """What the tools cost in a prompt, by server; nothing where the key may not ask."""
    try:
        with connection.api() as api:
            known = api.call("GET", api.resource("profiles", profile, "/tools"))
    except Refusal:
        return
    say("")
    table(
        ("server", "tools", "tokens"),
        [
            *((one["server"], one["tools"], one["tokens"]) for one in known["servers"]),
            ("all", sum(one["tools"] for one in known["servers"]), known["tokens_of_all"]),
        ],
        right=("tools", "tokens"),
    )
    if known["mode"] != "full":
        say(f"In mode '{known['mode']}' a client is shown {known['tokens']} tokens of tools.")
    for text in known["warnings"]:
        warn(text)


@app.command
def explain(
    profile: str,
    tool: str = "",
    *,
    as_key: Annotated[str, Parameter(name="--as", help="As which key sees it.")] = "",
    connection: Connection = Connection(),
) -> int:
    """Say why a tool is visible or not: every rule, and the one that decides. Exit status 1 when it is not.

    Without a tool: of all that the profile's servers offer, the rule that decides.
    """
    with connection.api() as api:
        found = api.call("GET", api.resource("profiles", profile, "/explain"), query={"tool": tool, "key": as_key})[
            "items"
        ]
    if connection.json:
        show_json(found)
        return 0 if any(one["visible"] for one in found) else 1
    if not tool:
        rows = [(_own(one), one["name"] if one["visible"] else "-", one["rule"], one["reason"]) for one in found]
        table(("tool", "visible as", "by", "reason"), rows)
        return 0
    for one in found:
        verdict = f"visible as {one['name']}" if one["visible"] else f"not visible: {one['rule']}: {one['reason']}"
        say(f"{_own(one)} is {verdict}")
        table(("", "rule", "reason"), [("yes" if s["allowed"] else "NO", s["rule"], s["reason"]) for s in one["steps"]])
    return 0 if any(one["visible"] for one in found) else 1


def _own(explained: dict[str, Any]) -> str:
    return f"{explained['server']}/{explained['tool']}" if explained["server"] else explained["tool"]


@app.command
def drifts(profile: str, *, connection: Connection = Connection()) -> int:
    """Show the tools of a locked profile that are not as they were approved. Exit status 1 when there are any."""
    with connection.api() as api:
        found = api.call("GET", api.resource("profiles", profile, "/drifts"))["items"]
    if connection.json:
        show_json(found)
    for one in [] if connection.json else found:
        say(f"{one['tool']} is {one['state']}{', and held back' if one['held_back'] else ''}")
        for line in one["diff"]:
            say(f"    {line}")
    return 1 if found else 0


@app.command
def approve(profile: str, *tools: str, connection: Connection = Connection()) -> None:
    """Approve tools (server/tool; '*' for all that wait) of a locked profile as they are now."""
    if not tools:
        raise Malformed("malformed", "Name the tools, as 'hub tools drifts' shows them, or '*' for all.")
    with connection.api() as api:
        approved = api.call("POST", api.resource("profiles", profile, "/approve"), {"tools": list(tools)})["approved"]
    if connection.json:
        show_json(approved)
    else:
        say("approved: " + (", ".join(approved) or "nothing"))


@app.command(name="test")
def try_out(profile: str, *, connection: Connection = Connection()) -> int:
    """Test a profile as a client would: probe, list, one harmless call per server. Exit status 1 when something fails."""
    from hub.cli.tool_test import report_of

    with connection.api() as api:
        known = api.call("GET", api.resource("profiles", profile, "/tools"), query={"mode": "full"})
    rows = _run(connection, profile, lambda client: report_of(client, known))
    if connection.json:
        show_json(rows)
    else:
        table(
            ("server", "check", "outcome", "ms", "detail"),
            [(row["server"], row["check"], row["outcome"], row["ms"], row["detail"][:100]) for row in rows],
            right=("ms",),
        )
    return 1 if any(row["outcome"] == "failed" for row in rows) else 0


@app.command
def call(
    profile: str,
    tool: str,
    arguments: Annotated[str, Parameter(help="The arguments as a JSON object.")] = "{}",
    *,
    connection: Connection = Connection(),
) -> int:
    """Call one tool and print what it answers. Exit status 1 when the tool reports an error."""
    try:
        given = json.loads(arguments)
    except json.JSONDecodeError as error:
        raise Malformed("malformed", f"The arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Malformed("malformed", "The arguments are a JSON object.")

    async def use(client: mcp.Client) -> Any:
        return await client.call_tool(tool, given)

    result = _run(connection, profile, use)
    if connection.json:
        show_json(result.model_dump(mode="json", by_alias=True, exclude_none=True))
    else:
        for item in result.content:
            say(item.text if item.type == "text" else f"[{item.type}]")
    return 1 if result.is_error else 0
