"""The command line: `hub`. Each command is a module, imported only when it is called, so that `hub` answers at once."""

import gc
import sys

from hub.cli.plain import plain_serve
from hub.core.refusal import InvalidSpec, Refusal

FAILED = 1


def main(arguments: list[str] | None = None) -> None:
    """Run one command. Exit status 0, 1 (failed), 2 (wrong usage), 3 (the data is newer than this program)."""
    # Imports make next to no garbage, and calls little: to look for it as often as usual is a tenth of the start.
    gc.set_threshold(50_000, 20, 100)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(given)
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
    sys.exit(code)


def _run(given: list[str]) -> int:
    options = plain_serve(given)
    if options is None:
        from hub.cli.program import run

        return run(given)
    from hub.cli.serving import serve

    serve(**options)
    return 0
