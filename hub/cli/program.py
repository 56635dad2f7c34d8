"""The whole command line, as its library sees it."""

from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group

from hub import __version__
from hub.cli.commands import COMMANDS, GROUPS

USAGE = 2


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


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns its exit status, 2 for wrong usage; what the command raises is raised."""
    try:
        code = program(arguments)(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return USAGE
    return code if isinstance(code, int) else 0
