"""Output of commands: tables that are not cut where the terminal is narrow or absent, and JSON."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

# Wider than any table: only a terminal is narrow.
_WIDTH = 1000


class _Console(Console):
    """Rich's console, but a closed pipe raises an error: Rich itself ends the process with status 1."""

    def on_broken_pipe(self) -> None:
        """Raises a `BrokenPipeError`, which `cli.main` turns into an exit status."""
        raise BrokenPipeError


def show(content: Table | str) -> None:
    """Prints a table or a line: as wide as the terminal, and in a pipe or a file as wide as it needs to be.

    Where a terminal is too narrow, cells go on in the next line; a number that is cut short is worth nothing.
    """
    if isinstance(content, Table):
        for column in content.columns:
            column.overflow = "fold"
    # Numbers, names and paths are printed as they are: neither coloured nor taken for markup.
    _Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False, markup=False).print(content)


def print_json(content: Any) -> None:
    """Prints what JSON can hold, indented."""
    print(json.dumps(content, indent=2))
