"""The commands by what they are for. Where each lives is a text, so that only the one that is called is imported."""

from typing import NamedTuple


class Command(NamedTuple):
    """A command: its `name`, `module:attribute`, and the line that `hub --help` shows of it."""

    name: str
    target: str
    about: str


GROUPS: dict[str, tuple[Command, ...]] = {
    "Run": (
        Command("serve", "hub.cli.serve:serve", "Run the hub: model endpoint, MCP profiles, API and both web apps."),
        Command("doctor", "hub.cli.doctor:doctor", "Check this installation and, if one is running, the hub."),
        Command("stop", "hub.cli.stop:stop", "Stop something at once, open streams too."),
        Command("resume", "hub.cli.stop:resume", "Let something that was stopped work again."),
    ),
    "Put into editors and agents": (
        Command("install", "hub.cli.install:install", "Write a client's own configuration for a profile."),
        Command("uninstall", "hub.cli.install:uninstall", "Take away what `hub install` wrote."),
        Command("import", "hub.cli.importing:import_", "Read clients' configurations and propose what the hub would hold."),
        Command("catalog", "hub.cli.catalog:catalog", "Make the files that a repository takes from a profile."),
        Command("stdio", "hub.cli.stdio:stdio", "Serve a profile to a client that takes a command and no address."),
    ),
    "Try": (
        Command("chat", "hub.cli.chat:chat", "Send one prompt to a model."),
        Command("tools", "hub.cli.tools:app", "Try the tools of a profile, as any MCP client would."),
        Command("models", "hub.cli.models:app", "Search models; take new prices."),
        Command("explain", "hub.cli.explain:explain", "Show which targets a call of a model would try, and why."),
        Command("guardrail", "hub.cli.guardrail:app", "Try guardrails before they can block."),
    ),
    "Configure": (
        Command("apply", "hub.cli.config:apply", "Make the hub hold what files say: all of it, or nothing."),
        Command("diff", "hub.cli.config:diff", "Show what `apply` would change."),
        Command("export", "hub.cli.config:export", "Print every resource as YAML that `apply` takes."),
        Command("check", "hub.cli.config:check", "Check files without a hub."),
        Command("schema", "hub.cli.config:schema", "Print the JSON Schema of resource files, for editors."),
        Command("get", "hub.cli.resource:get", "Show one resource, or list a kind."),
        Command("put", "hub.cli.resource:put", "Create or change one resource."),
        Command("delete", "hub.cli.resource:delete", "Delete one resource."),
        Command("history", "hub.cli.resource:history", "Show all versions of one resource."),
        Command("restore", "hub.cli.resource:restore", "Make an old version current again."),
    ),
    "Keys and people": (
        Command("key", "hub.cli.key:app", "Make, list, rotate and revoke virtual keys."),
        Command("user", "hub.cli.user:app", "People who may sign in and own keys."),
        Command("secret", "hub.cli.secret:app", "Write secrets to the hub's vault."),
    ),
    "Look back": (
        Command("logs", "hub.cli.ledger:logs", "Show calls, newest last."),
        Command("session", "hub.cli.ledger:session", "Show one agent run turn by turn."),
        Command("usage", "hub.cli.ledger:usage_app", "What calls cost, and who used nothing."),
        Command("diet", "hub.cli.ledger:diet", "Show which tools of a profile nobody calls, and a slimmer one."),
        Command("audit", "hub.cli.ledger:app", "Who changed what, and is the record whole?"),
    ),
}  # fmt: skip
COMMANDS = {command.name: command.target for commands in GROUPS.values() for command in commands}
