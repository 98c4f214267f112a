"""The `tf-routing` program: runs a command line, and explains in one line how it failed.

Only the standard library is imported before `main` runs, so that Ctrl-C ends in one line from then on.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Words after the program's name; those of the process where not given.

    Returns:
        Exit status: that of the command, 0 but for `launch`; 1 for an error that is explained on standard error, 130
        after Ctrl-C, 141 where nobody reads any more what is printed, 143 after SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _short_warnings(words):
            status = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_quietly()
        return _BROKEN_PIPE
    except (ValueError, TypeError, OSError, RuntimeError, ImportError) as error:
        if os.environ.get("TF_ROUTING_DEBUG"):
            raise
        print(f"{_program(words)}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        if not getattr(stop, "explained", False):
            print(f"\n{_program(words)}: stopped.", file=sys.stderr)
        return getattr(stop, "exit_status", 130)
    return status


@contextlib.contextmanager
def _short_warnings(words: Sequence[str]) -> Iterator[None]:
    """Has warnings to a user name the command: the line that called it is that of no file of theirs."""
    before = warnings.formatwarning

    def write(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, UserWarning):
            return f"{_program(words)}: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = write
    try:
        yield
    finally:
        warnings.formatwarning = before


def _program(words: Sequence[str]) -> str:
    return " ".join(["tf-routing", *words[:1]])


def _run(words: Sequence[str]) -> int:
    from tf_routing.cli.parsing import with_underscores
    from tf_routing.cli.program import program_parser

    parsed = program_parser().parse_args(with_underscores(words))
    return parsed.run(parsed) or 0


def _close_quietly() -> None:
    """Lets what is still to be printed go nowhere; else Python complains at its end."""
    nowhere: Any = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
