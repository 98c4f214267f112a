"""Times functions in turn in one process, so that other load on the machine slows all of them alike."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np


class Timing(NamedTuple):
    """Seconds of one call: wall-clock time, and processor time of all cores."""

    wall: float
    processor: float


def time_in_turn(
    functions: Mapping[str, Callable[[int], Any]], rounds: int, warm_up: int = 2
) -> dict[str, list[Timing]]:
    """Times functions round by round, each once per round.

    Args:
        functions: Dict from name to a function of the round's number, so that all can take the same samples.
        rounds: Integer, calls of each function that count.
        warm_up: Integer, calls before that do not.

    Returns:
        Dict from name to one `Timing` per round.

    Example:

    >>> times = time_in_turn({"sum": lambda number: sum(range(number))}, rounds=3)
    >>> len(times["sum"])
    3
    """
    times: dict[str, list[Timing]] = {name: [] for name in functions}
    for number in range(warm_up + rounds):
        for name, function in functions.items():
            timing = time_call(partial(function, number))
            if number >= warm_up:
                times[name].append(timing)
    return times


def time_call(function: Callable[[], Any]) -> Timing:
    """Runs a function once."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return Timing(time.perf_counter() - wall, time.process_time() - processor)


def median_ratio(times: list[Timing], reference: list[Timing], field: str = "wall") -> float:
    """Returns the median over rounds of one function's time divided by another's in the same round."""
    return float(np.median(_ratios(times, reference, field)))


def ratio_quartiles(times: list[Timing], reference: list[Timing], field: str = "wall") -> list[float]:
    """Returns the lower and the upper quartile of the ratios whose median `median_ratio` returns."""
    return [float(each) for each in np.quantile(_ratios(times, reference, field), (0.25, 0.75))]


def _ratios(times: list[Timing], reference: list[Timing], field: str) -> list[float]:
    return [getattr(one, field) / getattr(other, field) for one, other in zip(times, reference, strict=True)]


def median_seconds(times: list[Timing], field: str = "wall") -> float:
    """Returns the median time of a function."""
    return float(np.median([getattr(timing, field) for timing in times]))
