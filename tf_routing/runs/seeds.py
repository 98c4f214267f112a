"""What the seeds of one network come to: the best, the mean and the spread of their accuracies."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Accuracies(NamedTuple):
    """Test accuracies of the seeds of one network: the best, the mean and the sample deviation."""

    best: float
    mean: float
    deviation: float | None


def summarize(rows: Sequence[Mapping[str, Any]]) -> Accuracies:
    """Returns the accuracies of one network.

    Args:
        rows: Its runs, one per seed, with the accuracy in `final`: records of runs, or rows of a campaign's results.

    Example:

    >>> summarize([{"final": {"accuracy": value}} for value in (0.5, 0.75)]).mean
    0.625
    """
    return summarize_values([row["final"]["accuracy"] for row in rows])


def mean_minutes(rows: Sequence[Mapping[str, Any]]) -> float:
    """Returns the processor minutes of a training, the mean over seeds.

    Example:

    >>> mean_minutes([{"processor_seconds": seconds} for seconds in (60, 180)])
    2.0
    """
    return statistics.fmean(row["processor_seconds"] for row in rows) / 60


def summarize_values(values: Sequence[float]) -> Accuracies:
    """Returns the greatest, the mean and the sample deviation of numbers, one per seed.

    Example:

    >>> summarize_values([0.5]).deviation is None
    True
    """
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Accuracies(max(values), statistics.fmean(values), deviation)
