"""What a call of a model would do, and why."""

from typing import Annotated, Any

from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table


def explain(
    model: str,
    *,
    header: Annotated[
        tuple[str, ...], Parameter(help="A request header, name=value; may be given several times.")
    ] = (),
    key: Annotated[str, Parameter(help="Explain for this key instead of your own.")] = "",
    tokens: Annotated[int, Parameter(help="The prompt's size in tokens.")] = 0,
    max_output: Annotated[int, Parameter(help="The caller's cap on output tokens.")] = 0,
    tools: Annotated[bool, Parameter(help="The call offers tools.", negative="")] = False,
    images: Annotated[bool, Parameter(help="The call holds a picture.", negative="")] = False,
    stream: Annotated[bool, Parameter(help="The call is streamed.", negative="")] = False,
    dialect: Annotated[str, Parameter(help="openai_chat, anthropic_messages, ...")] = "",
    connection: Connection = Connection(),
) -> None:
    """Show which targets a call of this model would try, by which rules, at what cost, and why others are left out."""
    query = {
        "model": model,
        "header": list(header),
        "key": key,
        "tokens": str(tokens or ""),
        "max_output": str(max_output or ""),
        "tools": "1" if tools else "",
        "images": "1" if images else "",
        "stream": "1" if stream else "",
        "dialect": dialect,
    }
    with connection.api() as api:
        plan = api.call("GET", "/api/v1/explain", query=query)
    if connection.json:
        show_json(plan)
    else:
        _show(plan)


def _show(plan: dict[str, Any]) -> None:
    how = [f"strategy {plan['strategy']}"]
    how += [f"route {plan['route']}"] if plan["route"] else []
    how += [f"sticky by {plan['sticky']}"] if plan["sticky"] else []
    say(f"{plan['model']}: {', '.join(how)}")
    if plan["instead"]:
        say(f"  instead of what was asked for: {plan['instead']['message']}")
    if plan["refused"]:
        say(f"  refused ({plan['refused']['code']}): {plan['refused']['message']}")
    for rule in plan["rules"]:
        say(f"  rule {rule['rule']}: {'holds' if rule['holds'] else 'does not hold (' + rule['because'] + ')'}")
    table(
        ("target", "priority", "share", "region", "credential", "may cost USD"),
        (
            (
                f"{number}. {attempt['target']}", attempt["priority"], f"{attempt['share']:.0%}", attempt["region"],
                attempt["credential"], attempt["may_cost_usd"],
            )
            for number, attempt in enumerate(plan["attempts"], 1)
        ),
        right=("priority", "share", "may cost USD"),
    )  # fmt: skip
    for dropped in plan["dropped"]:
        say(f"-  {dropped['target']}: {dropped['reason']}")
    if plan["shadow"]:
        say(f"+  {plan['shadow']} gets a copy")
