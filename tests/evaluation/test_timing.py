"""Ratios of times, by hand."""

from tf_routing.evaluation.timing import Timing, median_ratio, ratio_quartiles

REFERENCE = [Timing(1.0, 2.0), Timing(2.0, 2.0), Timing(4.0, 2.0)]
# Twice as long in the first round, as long in the second, half as long in the third.
OWN = [Timing(2.0, 2.0), Timing(2.0, 4.0), Timing(2.0, 8.0)]


def test_ratios_are_of_the_same_round() -> None:
    assert median_ratio(OWN, REFERENCE) == 1.0
    assert ratio_quartiles(OWN, REFERENCE) == [0.75, 1.5]


def test_ratios_are_of_the_field_asked_for() -> None:
    assert median_ratio(OWN, REFERENCE, "processor") == 2.0
    assert ratio_quartiles(OWN, REFERENCE, "processor") == [1.5, 3.0]
