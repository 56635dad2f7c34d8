"""The hub as the client that the conformance suite tests: makes a server of the scenario's address, and does through the hub
what the scenario wants done. Run by the suite, which adds the address:

    python -m tests.support.conformance_client URL        # HUB_URL, HUB_KEY and the suite's own variables say the rest
"""

import asyncio
import base64
import contextlib
import json
import os
import sys
import uuid
from urllib.parse import urlsplit

import httpx2

from tests.support.hubs import wait_for
from tests.support.mcp_talkers import MODERN, NewTalker, OldTalker

CAPABILITIES = {"elicitation": {"form": {}}}
NAMES = {"tools": "name", "prompts": "name", "resources": "uri"}


@contextlib.contextmanager
def behind_the_hub(address):
    """A server and a profile that shows all of it, for as long as it takes; the profile's URL."""
    name = f"c{uuid.uuid4().hex[:12]}"
    url, parts = os.environ["HUB_URL"], urlsplit(address)
    server = {"url": parts._replace(path=parts.path or "/").geturl(), "allow_private": True}
    profile = {"security": "none", "prefix": "never", "servers": {name: {}}}
    headers = {"authorization": f"Bearer {os.environ['HUB_KEY']}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
        for kind, spec in (("servers", server), ("profiles", profile)):
            http.put(f"/api/v1/{kind}/{name}", json={"spec": spec}).raise_for_status()
        try:
            wait_for(lambda: http.get(f"/api/v1/servers/{name}").json()["status"].get("state") == "ready", 20)
            yield f"{url}/mcp/{name}"
        finally:
            for kind in ("profiles", "servers"):  # the scenario's server ends once nobody is connected
                http.delete(f"/api/v1/{kind}/{name}").raise_for_status()


def filled_in(method, params):
    """A form as somebody leaves it who changes nothing; what has no default is agreed to."""
    properties = params["requestedSchema"]["properties"]
    content = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    agreed = {name: True for name, schema in properties.items() if schema.get("type") == "boolean"}
    return {"action": "accept", "content": {**agreed, **content}}


def arguments_for(tool, tools):
    """Something for everything that a tool requires; where a schema is wanted, the richest that was listed."""
    schema = tool["inputSchema"]
    richest = max((one["inputSchema"] for one in tools), key=lambda one: len(json.dumps(one)))
    some = {"string": "x", "integer": 2, "number": 2.5, "boolean": True, "array": [], "object": richest}
    properties = schema.get("properties", {})
    return {name: some.get(properties.get(name, {}).get("type"), "x") for name in schema.get("required", properties)}


class MirroringTalker(NewTalker):
    """A modern client that mirrors arguments into headers, as it must."""

    mirrored: dict[str, dict[str, str]] | None = None

    def body(self, method, params, token=None):
        body, headers = super().body(method, params, token)
        named = (self.mirrored or {}).get(params.get("name"), {}) if method == "tools/call" else {}
        given = {header: params["arguments"].get(argument) for argument, header in named.items()}
        return body, headers | {f"mcp-param-{name}": encoded(one) for name, one in given.items() if one is not None}


def encoded(value):
    """An argument as a header has it: all in Base64, which is always allowed."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def mirrored_of(tool):
    """Which arguments of a tool stand in which headers."""
    properties = tool["inputSchema"].get("properties", {})
    return {name: schema["x-mcp-header"] for name, schema in properties.items() if "x-mcp-header" in schema}


async def used(client):
    """List what there is and use each of it: what the suite names, or else everything."""
    greeting = client.greeting if isinstance(client, OldTalker) else (await client.request("server/discover")).result
    lists = {}
    for kind, name in NAMES.items():
        if kind in greeting["capabilities"]:
            lists[kind] = {one[name]: one for one in (await client.request(f"{kind}/list")).result[kind]}
    tools = lists.get("tools", {})
    client.mirrored = {name: mirrored_of(tool) for name, tool in tools.items()}
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}").get("toolCalls")
    every = [{"name": name, "arguments": arguments_for(tool, tools.values())} for name, tool in tools.items()]
    for call in given or every:
        said = await client.request("tools/call", call, answer=filled_in)
        print(call["name"], said.result or said.error)
    for uri in lists.get("resources", ()):
        assert not (await client.request("resources/read", {"uri": uri})).error
    for name in lists.get("prompts", ()):
        assert not (await client.request("prompts/get", {"name": name})).error


async def main(url):
    """Do it, as a client of the scenario's revision."""
    talker = MirroringTalker if os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == MODERN else OldTalker
    async with talker(url, CAPABILITIES) as client:
        await used(client)


if __name__ == "__main__":
    with behind_the_hub(sys.argv[-1]) as profile:
        asyncio.run(main(profile))
