"""Output of commands: tables that are not cut where the terminal is narrow or absent, and JSON."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

# Wider than any table: only a terminal is narrow.
_WIDTH = 1000


class _Console(Console):
    """Rich's, which leaves it to the program what to do where nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Ends the printing."""
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
    """Prints JSON."""
    print(json.dumps(content, indent=2))
