"""Whether the means of two networks' numbers differ, judged by Welch's interval for a few seeds each."""

import statistics
import warnings
from collections.abc import Sequence
from typing import NamedTuple

from tf_routing.support.extras import import_extra

LEVEL = 0.95
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"


class Interval(NamedTuple):
    """A difference of means, and the interval in which it lies with the probability `LEVEL`.

    Args:
        mean: Float, mean of the first minus mean of the second.
        low: Float, `None` where fewer than two numbers of either say nothing about the spread.
        high: Float, as `low`.
    """

    mean: float
    low: float | None
    high: float | None


def mean_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Returns the difference of two means with its interval, of variances that may differ.

    The interval is Welch's (1947, Biometrika 34, pages 28 to 35, doi:10.1093/biomet/34.1-2.28).

    Equation:
        d = mean(x) - mean(y)
        e^2 = s_x^2 / n_x + s_y^2 / n_y
        nu = e^4 / ((s_x^2 / n_x)^2 / (n_x - 1) + (s_y^2 / n_y)^2 / (n_y - 1))
        interval = d +- t(nu) e

        with x = `first`, y = `second`; s sample deviations, n counts, and t the quantile of Student's distribution.

    Args:
        first: Numbers of one network, one per seed.
        second: Those of the other.

    Returns:
        An `Interval`.

    Raises:
        ImportError: If the extra `train` is not installed.

    Example:

    >>> interval = mean_difference([1.0, 2.0, 3.0], [5.0, 6.0, 7.0])
    >>> [round(value, 2) for value in interval]
    [-4.0, -6.27, -1.73]
    """
    difference = statistics.fmean(first) - statistics.fmean(second)
    if min(len(first), len(second)) < 2:
        return Interval(difference, None, None)
    if statistics.stdev(first) == statistics.stdev(second) == 0:
        # Counts, which seeds do not change.
        return Interval(difference, difference, difference)
    ttest_ind = import_extra("scipy.stats", "train", "An interval of a difference").ttest_ind
    with warnings.catch_warnings():
        # Of one that is the same for all seeds: not a lack of precision here.
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        low, high = ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    return Interval(difference, float(low), float(high))


def judge_less(interval: Interval) -> str:
    """Returns whether the first is less than the second: `HOLDS`, `FAILS`, or `UNKNOWN` where zero is in the interval.

    Example:

    >>> judge_less(Interval(-4.0, -6.27, -1.73)), judge_less(Interval(-4.0, None, None))
    ('holds', 'cannot be told')
    """
    return judge_within(interval, float("-inf"), 0.0)


def judge_within(interval: Interval, least: float, most: float) -> str:
    """Returns whether the difference lies between two bounds, as far as its whole interval does.

    Args:
        interval: What `mean_difference` returns.
        least: Float; a difference of as much is not between them any more.
        most: Float, as `least`.

    Returns:
        `HOLDS` where all of the interval is between the bounds, `FAILS` where nothing of it is, else `UNKNOWN`.

    Example:

    >>> judge_within(Interval(0.1, -0.2, 0.4), -0.5, 0.5), judge_within(Interval(0.7, 0.6, 0.8), -0.5, 0.5)
    ('holds', 'does not hold')
    """
    if interval.low is None or interval.high is None:
        return UNKNOWN
    if least < interval.low and interval.high < most:
        return HOLDS
    return FAILS if interval.high < least or most < interval.low else UNKNOWN
