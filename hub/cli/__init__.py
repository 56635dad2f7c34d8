"""The command line: `hub`. Each command is a module, imported only when it is called, so that `hub` answers at once."""

import sys

from cyclopts import App, CycloptsError

from hub import __version__
from hub.core.refusal import InvalidSpec, Refusal

app = App(
    name="hub",
    help="One URL for your agents' tools, one endpoint for their models, one set of keys, budgets and logs for both.",
    version=__version__,
    help_format="plaintext",
)
COMMANDS = {
    "serve": "hub.cli.serve:serve",
    "apply": "hub.cli.config:apply",
    "diff": "hub.cli.config:diff",
    "export": "hub.cli.config:export",
    "check": "hub.cli.config:check",
    "schema": "hub.cli.config:schema",
    "get": "hub.cli.resource:get",
    "put": "hub.cli.resource:put",
    "delete": "hub.cli.resource:delete",
    "history": "hub.cli.resource:history",
    "restore": "hub.cli.resource:restore",
    "key": "hub.cli.key:app",
    "user": "hub.cli.user:app",
    "secret": "hub.cli.secret:app",
    "guardrail": "hub.cli.guardrail:app",
    "stop": "hub.cli.stop:stop",
    "resume": "hub.cli.stop:resume",
    "install": "hub.cli.install:install",
    "uninstall": "hub.cli.install:uninstall",
    "catalog": "hub.cli.catalog:catalog",
    "import": "hub.cli.importing:import_",
    "tools": "hub.cli.tools:app",
    "stdio": "hub.cli.stdio:stdio",
    "chat": "hub.cli.chat:chat",
    "explain": "hub.cli.explain:explain",
    "models": "hub.cli.models:app",
    "logs": "hub.cli.ledger:logs",
    "usage": "hub.cli.ledger:usage_app",
    "session": "hub.cli.ledger:session",
    "diet": "hub.cli.ledger:diet",
    "audit": "hub.cli.ledger:app",
    "doctor": "hub.cli.doctor:doctor",
}
for _name, _target in COMMANDS.items():
    app.command(_target, name=_name)

FAILED, USAGE = 1, 2


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Exit status 0, 1 (failed), 2 (wrong usage), 3 (the data is newer than this program)."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        sys.exit(USAGE)
    except InvalidSpec as invalid:
        for fault in invalid.faults:
            print(fault, file=sys.stderr)
        sys.exit(FAILED)
    except Refusal as refusal:
        print(f"{refusal.message} ({refusal.code})", file=sys.stderr)
        sys.exit(getattr(refusal, "exit_status", FAILED))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    sys.exit(code if isinstance(code, int) else 0)
