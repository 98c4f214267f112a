"""The ponder cost by hand: units that run and the weight of the last, its gradient, and what is refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.halting import halt, logits
from tf_routing.layers import HaltingRouter
from tf_routing.objectives import PonderCost

SCORES = np.array([[0.995, 0.5, 0.5], [0.3, 0.8, 0.9], [0.2, 0.3, 0.6], [0.1, 0.2, 0.3]])
NAMES = ["router_1", "router_2", "router_3"]
LABELS = np.array([0, 1, 2, 3])


def outputs(maps: list[Any]) -> dict[str, Any]:
    """What the routers of a stage show whose scores are the sigmoids of maps of one channel."""
    router = HaltingRouter()
    router.build((None, 1, 1, 1))
    router.score_layer.set_weights([np.ones((1, 1)), np.zeros(1)])
    found, remaining = {"logits": keras.ops.zeros((maps[0].shape[0], 5))}, None
    for name, x in zip(NAMES, maps, strict=True):
        _, weight, remaining = router(x) if remaining is None else router(x, remaining)
        found |= {f"{name}_weight": weight, f"{name}_remaining": remaining}
    return found


def as_maps(scores: np.ndarray) -> list[Any]:
    return [tf.Variable(logits(column).reshape(-1, 1, 1, 1).astype("float32")) for column in scores.T]


def test_terms_by_hand() -> None:
    units, remainders, _ = halt(np.concatenate([SCORES, np.ones((4, 1))], axis=1))
    assert units.tolist() == [1, 2, 3, 4]
    objective = PonderCost([NAMES], ponder_weight=0.3)
    read = outputs(as_maps(SCORES))
    terms = objective(LABELS, read)
    assert list(terms) == list(objective.names)
    assert float(terms["classification_loss"]) == pytest.approx(np.log(5), rel=1e-6)
    assert float(terms["ponder_loss"]) == pytest.approx(0.3 * np.mean(units + remainders), rel=1e-5)
    measures = objective.measures(read)
    assert list(measures) == list(objective.measured_names)
    assert float(measures["ponder_cost"]) == pytest.approx(np.mean(units + remainders), rel=1e-5)
    assert float(measures["execution_rate"]) == pytest.approx((3 + 2 + 1) / 12)


def test_stages_add_up() -> None:
    read = outputs(as_maps(SCORES))
    of_stages = [float(PonderCost([names], 1.0).measures(read)["ponder_cost"]) for names in (NAMES[:1], NAMES[1:])]
    both = PonderCost([NAMES[:1], NAMES[1:]], 1.0).measures(read)["ponder_cost"]
    assert float(both) == pytest.approx(sum(of_stages), rel=1e-6)
    # A stage of one unit has no router: it runs, with all of the weight.
    assert float(PonderCost([NAMES, []], 1.0).measures(read)["ponder_cost"]) == pytest.approx(
        2 + float(PonderCost([NAMES], 1.0).measures(read)["ponder_cost"])
    )


def test_the_gradient_is_that_of_the_remainder_alone() -> None:
    maps = as_maps(SCORES)
    with tf.GradientTape() as tape:
        loss = PonderCost([NAMES], ponder_weight=2.0)(LABELS, outputs(maps))["ponder_loss"]
    found = np.stack([np.reshape(each, -1) for each in tape.gradient(loss, maps)], axis=1)
    expected = np.zeros_like(SCORES)
    for row, units in enumerate([1, 2, 3, 4]):
        # d rho / d h = -1 for units before the last, by the slope of the sigmoid and the mean over four samples.
        scores = SCORES[row, : units - 1]
        expected[row, : units - 1] = -2.0 * scores * (1 - scores) / 4
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_positions_are_averaged_and_a_unit_runs_for_an_image_with_one_that_goes_on() -> None:
    weight = keras.ops.array([[[[0.25], [1.0]]], [[[1.0], [1.0]]]])
    read = {"router_1_weight": weight, "router_1_remaining": 1 - weight, "logits": keras.ops.zeros((2, 5))}
    objective = PonderCost([["router_1"]], 1.0)
    # One of four positions has two units and 0.75 of the weight left for the second.
    assert float(objective(LABELS[:2], read)["ponder_loss"]) == pytest.approx((2.75 + 3 * 2) / 4)
    assert float(objective.measures(read)["execution_rate"]) == 0.5


def test_it_comes_back_from_its_configuration_and_can_be_smoothed() -> None:
    objective = PonderCost([["a"], ["b", "c"]], ponder_weight=2.0)
    assert PonderCost.from_config(objective.get_config()).get_config() == objective.get_config()
    assert objective.smoothed(0.1).get_config() == {**objective.get_config(), "label_smoothing": 0.1}


@pytest.mark.parametrize(("stages", "weight", "message"), [([[]], 1.0, "stages"), ([["a"]], -1.0, "ponder_weight")])
def test_what_is_not_possible_is_refused(stages: list[list[str]], weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PonderCost(stages, weight)
