"""Tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table, each row a line that ends in a line break.

    Args:
        headings: Names of the columns; empty ones where the first column says what a row is.
        rows: One cell per column each.

    Example:

    >>> print(markdown_table(["field", "type"], [["seed", "int | None"]]), end="")
    | field | type |
    | --- | --- |
    | seed | int \\| None |
    """
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_escape, line))} |\n" for line in lines)


def _escape(cell: Any) -> str:
    # A bar ends a cell, also one inside code.
    return str(cell).replace("|", "\\|")
