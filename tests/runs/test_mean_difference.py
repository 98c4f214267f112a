"""Welch's interval from tables of Student's distribution, and what is said of claims by hand."""

import math

import pytest

from tf_routing.runs.mean_difference import (
    FAILS,
    HOLDS,
    UNKNOWN,
    Interval,
    judge_less,
    judge_within,
    mean_difference,
)

# Two-sided 95 % quantiles of Student's distribution, from its printed table.
_T_4, _T_2 = 2.776445, 4.302653


def test_an_interval_of_equal_spreads_by_hand() -> None:
    # Variances 1 of three numbers each: e^2 = 2/3, and 4 degrees of freedom.
    mean, low, high = mean_difference([1.0, 2.0, 3.0], [5.0, 6.0, 7.0])
    reach = _T_4 * math.sqrt(2 / 3)
    assert (mean, low, high) == (-4, pytest.approx(-4 - reach, abs=1e-5), pytest.approx(-4 + reach, abs=1e-5))


def test_where_one_does_not_vary_the_other_alone_counts() -> None:
    # e^2 = 4/3, and (4/3)^2 / ((4/3)^2 / 2) = 2 degrees of freedom.
    mean, low, high = mean_difference([4.0, 6.0, 8.0], [1.0, 1.0, 1.0])
    reach = _T_2 * math.sqrt(4 / 3)
    assert (mean, low, high) == (5, pytest.approx(5 - reach, abs=1e-5), pytest.approx(5 + reach, abs=1e-5))


def test_other_counts_and_spreads_by_hand() -> None:
    # s^2 / n: 2/2 = 1 and 1/4 x 4/3... of [0, 2] and [0, 0, 2, 2]: 1 and 1/3; nu = (4/3)^2 / (1 + (1/9)/3) = 12/7.
    mean, low, high = mean_difference([0.0, 2.0], [0.0, 0.0, 2.0, 2.0])
    assert low is not None and high is not None and mean == 0 and low == pytest.approx(-high)
    # Between the quantiles of one degree and of two.
    assert _T_2 < high / math.sqrt(4 / 3) < 12.7062


def test_one_seed_tells_nothing_and_counts_tell_all() -> None:
    assert mean_difference([1.0], [2.0, 3.0]) == (-1.5, None, None)
    assert mean_difference([5.0, 5.0], [7.0, 7.0]) == (-2, -2, -2)


@pytest.mark.parametrize(
    ("interval", "less", "about"),
    [
        ((-0.3, -0.4, -0.2), HOLDS, HOLDS),
        ((-0.3, -0.7, 0.1), UNKNOWN, UNKNOWN),
        ((0.9, 0.6, 1.2), FAILS, FAILS),
        ((0.0, 0.0, 0.0), UNKNOWN, HOLDS),
        ((-2.0, -3.0, -1.0), HOLDS, FAILS),
        ((0.0, -0.5, 0.5), UNKNOWN, UNKNOWN),
        ((-9.0, None, None), UNKNOWN, UNKNOWN),
    ],
)
def test_what_an_interval_says(interval: tuple[float, float | None, float | None], less: str, about: str) -> None:
    assert judge_less(Interval(*interval)) == less
    assert judge_within(Interval(*interval), -0.5, 0.5) == about
