"""Thresholds are shifted so that a choice is taken for exactly a share of the samples."""

from typing import Any

import keras
import numpy as np
import pytest

from tf_routing.layers import Controller
from tf_routing.layers.routers.router import Router, shift_for_rate

COUNT, CHANNELS = 40, 3
RATES = [0, 0.025, 0.3, 0.5, 0.75, 0.975, 1]


def share(margins: Any, rate: float) -> float:
    return float((np.asarray(margins) + shift_for_rate(rate, np.asarray(margins, "float64")) > 0).mean())


class Sums(Router):
    """Two choices: whether the sum of a sample's values, and whether minus it, exceeds a threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.thresholds = np.zeros(2)

    def margins(self, *inputs: Any) -> Any:
        sums = keras.ops.sum(inputs[0], axis=-1)
        return keras.ops.stack([sums, -sums], axis=-1) - self.thresholds

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        self.thresholds -= shifts


def controller(sub_blocks: int, count: int = COUNT, **arguments: Any) -> tuple[Controller, list[Any]]:
    """A controller whose scores differ in scale and place, its inputs, and the state of one before."""
    rng = np.random.default_rng(sub_blocks)
    layer = Controller(sub_blocks, hidden=8, **arguments)
    layer.build((None, CHANNELS), (None, 8))
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    inputs = [rng.normal(size=(count, CHANNELS)), rng.uniform(size=(count, 8))]
    return layer, [keras.ops.convert_to_tensor(each, dtype=layer.compute_dtype) for each in inputs]


def shares_after(layer: Controller, inputs: list[Any], rate: float) -> np.ndarray:
    layer.shift_thresholds(layer.shifts_for_rate(rate, *inputs))
    return np.asarray(keras.ops.cast(layer(*inputs)[0], "float32")).mean(axis=0)


@pytest.mark.parametrize("rate", RATES)
def test_a_shift_makes_exactly_the_share_positive(rate: float) -> None:
    for seed in range(20):
        margins = np.random.default_rng(seed).normal(3, 5, COUNT)
        assert share(margins, rate) == round(rate * COUNT) / COUNT


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("rate", [0.1, 0.26, 0.36, 0.45, 0.62, 0.74, 0.9, 0.99])
def test_the_share_is_the_nearest_that_so_few_samples_can_have(rate: float, count: int) -> None:
    margins = np.random.default_rng(count).normal(3, 5, count)
    possible = np.arange(count + 1) / count
    assert abs(share(margins, rate) - rate) == pytest.approx(np.abs(possible - rate).min(), abs=1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_the_threshold_lies_half_way_or_far_from_any_score(rate: float) -> None:
    margins = np.random.default_rng(1).normal(3, 5, COUNT)
    shifted = np.sort(margins + shift_for_rate(rate, margins))
    if 0 < rate < 1:
        above, below = shifted[shifted > 0][0], shifted[shifted < 0][-1]
        assert above == pytest.approx(-below)
    else:
        assert np.abs(shifted).min() >= 0.99 * np.ptp(margins)


@pytest.mark.parametrize(
    ("margins", "rate", "expected"),
    [
        ([1, 1, 1, 0], 0.5, 0.75),
        ([2, 1, 1, 1], 0.5, 0.25),
        ([1] * 9 + [0], 0.8, 0.9),
        ([1] * 9 + [0], 0.2, 0.0),
        ([1, 0, 0, 0], 0.25, 0.25),
        ([5] * 4, 0.75, 1.0),
        ([5] * 4, 0.25, 0.0),
        ([5] * 4, 1, 1.0),
        ([5] * 4, 0, 0.0),
        ([7], 1, 1.0),
        ([7], 0, 0.0),
    ],
)
def test_where_samples_tie_the_share_is_the_nearest(margins: list[float], rate: float, expected: float) -> None:
    assert share(margins, rate) == expected
    assert np.abs(np.array(margins) + shift_for_rate(rate, np.array(margins, "float64"))).min() > 1e-4


def test_the_base_class_shifts_each_choice_by_its_margins() -> None:
    router, x = Sums(), np.random.default_rng(0).normal(size=(COUNT, 4))
    shifts = router.shifts_for_rate(0.2, x)
    assert shifts.shape == (2,)
    router.shift_thresholds(shifts)
    np.testing.assert_array_equal((np.asarray(router.margins(x)) > 0).mean(axis=0), [0.2, 0.2])


def test_the_decision_is_the_first_output() -> None:
    assert Router().decision(["switches", "state"]) == "switches"


def test_shifting_moves_the_margins_by_the_shifts_and_nothing_else() -> None:
    layer, inputs = controller(3)
    before, weights = np.asarray(layer.margins(*inputs)), layer.get_weights()
    layer.shift_thresholds(np.array([1.0, -2.0, 0.5]))
    np.testing.assert_allclose(np.asarray(layer.margins(*inputs)) - before, [[1.0, -2.0, 0.5]] * COUNT, atol=1e-5)
    *others, bias = (new - old for new, old in zip(layer.get_weights(), weights, strict=True))
    assert not any(other.any() for other in others)
    np.testing.assert_allclose(bias, [0, 1.0, 0, -2.0, 0, 0.5], atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sub_blocks", [1, 2, 3])
def test_every_switch_of_a_controller_is_on_for_the_share(sub_blocks: int, rate: float) -> None:
    layer, inputs = controller(sub_blocks)
    np.testing.assert_allclose(shares_after(layer, inputs, rate), round(rate * COUNT) / COUNT, atol=1e-6)


def test_a_controller_without_a_state_before_it() -> None:
    layer, (x, _) = controller(2)
    layer.shift_thresholds(layer.shifts_for_rate(0.3, x))
    np.testing.assert_allclose(np.asarray(layer(x)[0]).mean(axis=0), 0.3, atol=1e-6)


# Below 1 / N not every switch can be on for so few: one of them always is.
@pytest.mark.parametrize(
    ("sub_blocks", "rates"), [(1, [1]), (2, [0.5, 0.6, 0.75, 1]), (3, [0.35, 0.4, 0.5, 0.75, 1]), (4, [0.3, 0.5, 0.9])]
)
def test_forced_switches_count_in_the_share(sub_blocks: int, rates: list[float]) -> None:
    for rate in rates:
        layer, inputs = controller(sub_blocks, force_one=True)
        np.testing.assert_allclose(shares_after(layer, inputs, rate), round(rate * COUNT) / COUNT, atol=1e-6)


def test_the_force_is_needed_for_the_share() -> None:
    layer, inputs = controller(2, force_one=True)
    np.testing.assert_allclose(shares_after(layer, inputs, 0.6), 0.6, atol=1e-6)
    switches, margins = np.asarray(layer(*inputs)[0]), np.asarray(layer.margins(*inputs))
    forced = (margins <= 0).all(axis=1)
    assert 0 < forced.sum() < COUNT
    np.testing.assert_array_equal(switches[forced].sum(axis=1), 1)
    np.testing.assert_array_equal(switches[~forced], margins[~forced] > 0)


@pytest.mark.parametrize("rate", [0, 0.1])
def test_where_one_is_forced_no_rate_switches_all_off(rate: float) -> None:
    layer, inputs = controller(2, force_one=True)
    shares_after(layer, inputs, rate)
    np.testing.assert_array_equal(np.asarray(layer(*inputs)[0]).sum(axis=1), 1)


@pytest.mark.parametrize("force_one", [False, True])
def test_shares_of_inputs_that_tie_are_the_nearest(force_one: bool) -> None:
    layer, inputs = controller(2, count=4, force_one=force_one)
    inputs = [keras.ops.repeat(each, 10, axis=0) for each in inputs]
    np.testing.assert_allclose(shares_after(layer, inputs, 0.75), 0.75, atol=1e-6)


@pytest.mark.parametrize("force_one", [False, True])
def test_half_precision_scores_are_shifted_too(force_one: bool) -> None:
    layer, inputs = controller(2, dtype="mixed_bfloat16", force_one=force_one)
    # Eight bits of score: neighbours tie, and what lies between two may round to either.
    np.testing.assert_allclose(shares_after(layer, inputs, 0.6), 0.6, atol=0.1)
