"""`python -m explorer …`: everything the app does, without a browser.

Results go to standard output, progress and complaints to standard error. The exit code is 0, or 2 with one sentence for
bad input, or 130 when interrupted.
"""

import io
import sys
from collections.abc import Sequence

from explorer.cli import (
    bench,
    compare,
    compress,
    data,
    import_images,
    import_network,
    models,
    report,
    scan,
    sensitivity,
    ship,
    stats,
    sweep,
    train,
)
from explorer.cli.errors import is_out_of_memory, out_of_memory
from explorer.cli.options import Parser
from explorer.files.errors import as_os_error, sentence

COMMANDS = (
    models,
    data,
    import_images,
    import_network,
    train,
    stats,
    sweep,
    compare,
    scan,
    sensitivity,
    compress,
    report,
    bench,
    ship,
)  # as `--help` lists them


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that lacks a sign shows a question mark, and no traceback
    try:
        args = _parser().parse_args(argv)
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        if isinstance(as_os_error(error), OSError):
            print(f"error: {sentence(error)}", file=sys.stderr)
            return 2
        if not is_out_of_memory(error):
            raise
        print(f"error: {out_of_memory(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m explorer", description="Prune a network's channels and see what its accuracy does.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser
