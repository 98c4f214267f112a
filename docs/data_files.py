"""Data files that tables are written of, and what stands in a table's place where there is no data yet."""

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
