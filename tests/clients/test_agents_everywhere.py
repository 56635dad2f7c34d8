"""The agents that people use, as published, with a model behind the hub in every dialect: each makes a round with a tool."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.support.hubs import wait_for
from tests.support.model_answers import chat
from tests.support.programs import run_program
from tests.support.script import json_reply
from tests.support.scripted import UPSTREAMS, scripted_upstream

pytestmark = [pytest.mark.clients, pytest.mark.slow]
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"
ANSWERED = ("tool_result", "tool_call_id", "function_call_output", "functionResponse", "toolResult")
SAY = "Please use the echo tool with the text sesame-in"


def offered(tools, space=""):
    """The names of tools in whichever dialect, as `name` or `name@namespace`."""
    for one in tools or []:
        if "functionDeclarations" in one or one.get("type") == "namespace":
            yield from offered(one.get("functionDeclarations") or one["tools"], one.get("name", ""))
        else:
            held = one.get("function") or one.get("toolSpec") or one
            yield held.get("name", "") + (f"@{space}" if space else "")


def answer(received):
    """Call the echo tool when it is offered and was not called yet; find it first for those who have to search."""
    kind = next(name for name in UPSTREAMS if received.path.startswith(f"/{name}/"))
    body = received.json
    if "count" in received.path.rpartition("/")[2].lower():
        return json_reply({"input_tokens": 3, "totalTokens": 3})
    said = json.dumps(body)
    names = list(offered(body.get("tools") or body.get("toolConfig", {}).get("tools")))
    echo = next((name for name in names if name.partition("@")[0].endswith("new__echo")), "")
    search = next((name for name in names if name.lower().replace("_", "") == "toolsearch"), "")
    make = chat if received.path.endswith("/chat/completions") else UPSTREAMS[kind][2]
    if not names or "sesame-in" not in said:
        return make("A title.")
    if "sesame-back" in said and any(f'"{word}' in said for word in ANSWERED):
        return make("The tool answered: sesame-out.")
    # Some agents tell of tools only those who search for them, and then take calls of what they found.
    found = re.search(r'\\"name\\": ?\\"(\w+new__echo)\\"', said)
    if echo or found:
        return make("", tool=(echo or found[1], {"text": "sesame-back"}))
    assert search, names
    return make(
        "", tool=(search, {"query": "echo", "max_results": 5}), **({} if kind == "gemini" else {"ids": "search"})
    )


@pytest.fixture(scope="module")
def models(hub):
    """A model for each dialect, at the hub that all tests share."""
    with scripted_upstream(answer) as scripted:
        with hub.client() as admin:
            assert admin.put("/api/v1/secrets/agents-upstream", json={"value": "up-key"}).status_code in (200, 201)
        for name, spec in scripted.providers().items():
            hub.put("providers", f"agents-{name}", {**spec, "api_key": "vault:agents-upstream"})
            price = {"input": "1", "output": "1"}
            hub.put("models", f"agents-{name}", {"targets": [{"model": f"agents-{name}/gpt-up"}], "price": price})
        yield


@pytest.fixture
def home(models, home):
    """With the models there already."""
    return home


def run(home, *command, **variables):
    offline = {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
        "GEMINI_TELEMETRY_ENABLED": "false", "NO_UPDATE_NOTIFIER": "1", "CI": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "GEMINI_CLI_TRUST_WORKSPACE": "true", "PWD": str(home.project),
    }  # fmt: skip
    environment = home.environment(**offline, **variables)
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    return run_program([str(part) for part in command], cwd=home.project, environment=environment, seconds=120)


COMMANDS = {
    "claude-code": lambda model: ("claude", "-p", SAY, "--allowedTools", "mcp__both", "--output-format", "json"),
    "codex": lambda model: ("codex", "exec", "--profile", "hub", "--skip-git-repo-check", "--json", "--yolo", SAY),
    "gemini-cli": lambda model: ("node", BIN / "gemini", "-p", SAY, "--yolo", "-m", model, "--output-format", "json", "--skip-trust"),
    "opencode": lambda model: ("opencode", "run", "--format", "json", "-m", f"hub/{model}", SAY),
    "qwen-code": lambda model: ("qwen", "-p", SAY, "--yolo", "-o", "json"),
}  # fmt: skip


@pytest.mark.parametrize("dialect", UPSTREAMS)
@pytest.mark.parametrize("agent", COMMANDS)
def test_an_agent_makes_a_round_with_a_tool(home, hub, agent, dialect):
    model = f"agents-{dialect}"
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    home.cli("install", agent, "--profile", "both", "--models", "--model", model, PATH=path)
    done = run(home, *COMMANDS[agent](model))
    assert "sesame-out" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]

    def entries():
        with hub.client() as admin:
            items = admin.get("/api/v1/logs", params={"limit": 200}).json()["items"]
        mine = [item for item in items if item["key"].startswith(agent)]
        calls = [item for item in mine if item.get("tool") == "echo"]
        # An agent may leave as soon as it has the last event, before the stream is closed.
        asked = [item for item in mine if item.get("model") == model and item["outcome"] in ("ok", "cancelled")]
        return calls and len(asked) >= 2 and (calls, asked)

    calls, asked = wait_for(entries)
    assert calls[0]["outcome"] == "ok"
    assert {item["target"] for item in asked} == {f"{model}/gpt-up"}
