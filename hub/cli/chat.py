"""Try a prompt."""

import json
import sys
from typing import Annotated, Any

import httpx2
from cyclopts import Parameter

from hub.cli.client import Connection, problem
from hub.cli.output import clean, show_json, warn
from hub.core.refusal import Refusal


def chat(
    model: str,
    prompt: Annotated[str | None, Parameter(help="What to say; read from standard input when left out.")] = None,
    *,
    connection: Connection = Connection(),
) -> None:
    """Send one prompt to a model and print its answer as it arrives."""
    text = prompt if prompt is not None else sys.stdin.read()
    body = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    usage: dict[str, Any] = {}
    answer: list[str] = []
    with connection.api() as api:
        try:
            with api.http.stream(
                "POST", "/v1/chat/completions", json=body, headers={"x-hub-receipt": "1"}, timeout=600
            ) as response:
                if response.status_code >= 400:
                    response.read()
                    raise problem(response)
                for line in response.iter_lines():
                    usage.update(_event(line, answer, connection))
        except httpx2.HTTPError as error:
            raise Refusal("unreachable", f"The answer from {api.url} broke off: {error}") from None
    if connection.json:
        show_json({"model": model, "text": "".join(answer), **usage})
        return
    print()
    parts = [
        f"{usage[name]} {label}"
        for name, label in (("prompt_tokens", "in"), ("completion_tokens", "out"))
        if name in usage
    ]
    if "cost_usd" in usage:
        parts.append(f"{usage['cost_usd'] or 'unknown'} USD")
    warn(f"[{', '.join(parts)}]" if parts else "")


def _event(line: str, answer: list[str], connection: Connection) -> dict[str, Any]:
    """Print what one line of the stream adds; returns what it says of usage and cost."""
    if line.startswith(": hub-receipt "):
        return {"cost_usd": json.loads(line.removeprefix(": hub-receipt ")).get("cost_usd")}
    if not line.startswith("data: ") or line == "data: [DONE]":
        return {}
    event = json.loads(line.removeprefix("data: "))
    if "error" in event:
        raise Refusal(str(event["error"].get("code", "upstream_error")), str(event["error"].get("message", event)))
    for choice in event.get("choices", ()):
        delta = choice.get("delta", {}).get("content") or ""
        answer.append(delta)
        if not connection.json:
            print(clean(delta), end="", flush=True)
    return event.get("usage") or {}
