"""Published servers of both eras through one profile, for clients of both eras: what people really run."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.hubs import ROOT, running_hub, servers_ready, wait_for
from tests.support.mcp_talkers import NewTalker, OldTalker

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.anyio]
NODE = Path(__file__).parent / "node" / "node_modules" / ".bin"
PYTHON = ROOT / ".servers"
EVERYTHING = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}


def node(name, *arguments):
    return [str(NODE / "node"), str(NODE / f"mcp-server-{name}"), *arguments]


def python(generation, name, *arguments):
    return [str(PYTHON / generation / "bin" / f"mcp-server-{name}"), *arguments]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    files = folder / "files"
    files.mkdir()
    (files / "hello.txt").write_text("hello from a file")
    servers = {
        "everything": {"command": node("everything", "stdio")},
        "files": {"command": node("filesystem", str(files))},
        "memory": {"command": node("memory"), "env": {"MEMORY_FILE_PATH": str(folder / "memory.json")}},
        "thinking": {"command": node("sequential-thinking")},
        "time": {"command": python("mcp2", "time")},
        "git": {"command": python("mcp2", "git", "--repository", str(PYTHON / "demo-repo"))},
        "sqlite": {"command": python("mcp1", "sqlite", "--db-path", str(folder / "demo.db"))},
    }
    for spec in servers.values():
        assert shutil.which(spec["command"][0]), f"{spec['command'][0]} is not installed; run `make test`"
        spec["env"] = {**spec.get("env", {}), "PATH": f"{NODE}:{os.environ['PATH']}"}
        spec["timeouts"] = {"connect": 60, "list": 60}
    profiles = {"all": {"security": "none", "servers": {name: {} for name in servers}}}
    with running_hub(folder, {"servers": servers, "profiles": profiles}) as started:
        servers_ready(started, *servers)
        with started.client() as http:  # what it shows only to clients that can do more comes a moment later
            wait_for(lambda: http.get("/api/v1/servers/everything").json()["status"]["tools"] >= 17, 60)
        yield started


@pytest.fixture(params=[OldTalker, NewTalker])
def client(hub, request):
    return lambda capabilities=EVERYTHING: request.param(f"{hub.url}/mcp/all", capabilities)


async def test_all_of_them_are_there_with_every_tool(client):
    async with client() as one:
        listed = (await one.request("tools/list")).result
        names = [tool["name"] for tool in listed["tools"]]
    assert "hub/gaps" not in listed.get("_meta", {})
    counts = {
        server: sum(name.startswith(f"{server}__") for name in names) for server in ("everything", "files", "git")
    }
    assert counts["everything"] >= 17, "some are shown only to clients that can do more"
    assert (counts["files"], counts["git"]) == (14, 12)


@pytest.mark.parametrize(
    ("tool", "arguments", "part"),
    [
        ("everything__echo", {"message": "hi"}, "hi"),
        ("files__read_text_file", {"path": "hello.txt"}, "hello from a file"),
        ("memory__read_graph", {}, "entities"),
        ("time__get_current_time", {"timezone": "UTC"}, "UTC"),
        ("git__git_log", {"repo_path": str(PYTHON / "demo-repo")}, "Say hello"),
        ("sqlite__list_tables", {}, "["),
    ],
)
async def test_each_of_them_works(client, tool, arguments, part):
    if tool.startswith("files"):
        async with client({}) as one:
            allowed = (await one.call("files__list_allowed_directories")).text
        arguments = {"path": f"{allowed.splitlines()[-1].strip()}/hello.txt"}
    async with client({}) as one:
        assert part in json.dumps((await one.call(tool, arguments)).result)


def answer(method, params):
    if method == "roots/list":  # asked whenever the server has just got to know of a client, whatever it calls
        return {"roots": [{"uri": "file:///home", "name": "home"}]}
    return {"role": "assistant", "model": "m", "content": {"type": "text", "text": "sampled"}}


async def test_a_question_of_a_published_server_reaches_the_client(client):
    async with client() as one:
        names = [tool["name"] for tool in (await one.request("tools/list")).result["tools"]]
        sampling = next(name for name in names if "sampl" in name.lower())
        said = await one.call(sampling, {"prompt": "hi", "maxTokens": 10}, answer=answer)
    assert "sampling/createMessage" in [method for method, _ in said.questions]
    assert "sampled" in json.dumps(said.result)


async def test_prompts_and_resources_of_a_published_server_are_there(client):
    async with client() as one:
        prompts = (await one.request("prompts/list")).result["prompts"]
        resources = (await one.request("resources/list")).result["resources"]
        assert any(prompt["name"].startswith("everything__") for prompt in prompts)
        first = next(item for item in resources if "everything" in item["uri"])
        read = await one.request("resources/read", {"uri": first["uri"]}, answer=answer)
        assert read.result["contents"][0]["uri"] == first["uri"]
