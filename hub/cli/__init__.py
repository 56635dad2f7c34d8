"""The command line: `hub`. Each command is a module, imported only when it is called, so that `hub` answers at once."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group

from hub import __version__
from hub.cli.commands import COMMANDS, GROUPS
from hub.core.refusal import InvalidSpec, Refusal

FAILED, USAGE = 1, 2


def program(arguments: Sequence[str]) -> App:
    """The commands, for these arguments: one that is named says more of itself than its line in the list of all."""
    named = bool(arguments) and arguments[0] in COMMANDS
    app = App(
        name="hub",
        help="One URL for your agents' tools, one endpoint for their models, one set of keys, budgets and logs for both.",
        version=__version__,
        help_format="plaintext",
        group_commands=Group("Options", sort_key=len(GROUPS)),
    )
    for place, (title, commands) in enumerate(GROUPS.items()):
        group = Group(title, sort_key=place)
        for command in commands:
            app.command(command.target, name=command.name, help=None if named else command.about, group=group)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Exit status 0, 1 (failed), 2 (wrong usage), 3 (the data is newer than this program)."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = program(given)(given, exit_on_error=False, result_action="return_value")
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
