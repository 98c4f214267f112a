"""Data files that tables are written of, what was aimed at, and what stands in a table's place without data."""

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
NOTHING_YET = "Nothing yet.\n"


def of_file(path: Path) -> Callable[[Callable[[Any], str]], Callable[[], str]]:
    """Hands a function that writes a table what a JSON file holds; without the file its answer is `NOTHING_YET`.

    Args:
        path: The file.
    """

    def decorate(write: Callable[[Any], str]) -> Callable[[], str]:
        @wraps(write)
        def table() -> str:
            return write(json.loads(path.read_text("utf-8"))) if path.exists() else NOTHING_YET

        return table

    return decorate


TARGETS: dict[str, Any] = json.loads((BENCHMARKS / "targets.json").read_text("utf-8"))
"""What benchmarks aimed at, by the table that shows it."""


def write_aim(found: float, target: float | None) -> str:
    """Returns a ratio, and in brackets what was aimed at, where anything was."""
    return f"{found:.2f}" if target is None else f"{found:.2f} ({target:.2f})"


def find_target(table: str, batch: int, **row: Any) -> float | None:
    """Returns what a table's row aimed at in batches of a size.

    Args:
        table: Name of the table.
        batch: Integer, images per batch.
        **row: What an entry of the targets is of; an entry need not name all of it.
    """
    for entry in TARGETS[table]:
        if all(entry.get(key, value) == value for key, value in row.items()):
            return entry["targets"].get(str(batch))
    return None
