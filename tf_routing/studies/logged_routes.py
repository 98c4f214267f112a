"""Reads from the logs of runs how many different routes the test images took after each epoch."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_routing.studies.study_runs import Setup, TrainedVariant, describe

_COLUMN = "distinct_routes"


def logged_routes(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Reads the numbers of distinct routes of variants.

    Args:
        setup: What they have in common.
        runs: The trained variants.

    Returns:
        Dict of `rows`, one dict per variant, with the list `distinct_routes`: a number per epoch, the first first.

    Raises:
        ValueError: If a run's log has no counts.
    """
    return {"rows": [{**describe(run), _COLUMN: read_counts(run.folder / "log.csv")} for run in runs]}


def read_counts(log: Path) -> list[int]:
    """Returns the numbers of distinct routes in a `log.csv`."""
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    # Empty where a later part of a run counted and an earlier one did not.
    if not all(row.get(_COLUMN) for row in rows):
        raise ValueError(f"{log} counts no routes: the run was trained without counting. Choose another --output.")
    return [round(float(row[_COLUMN])) for row in rows]
