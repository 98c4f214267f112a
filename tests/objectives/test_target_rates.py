"""Target rates by hand: the mean over blocks of squared distances, measures, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.objectives import TargetRates

# Three of four images run the first block, one the second, all the third.
GATES = {"a": [[1], [1], [1], [0]], "b": [[0], [0], [1], [0]], "c": [[1], [1], [1], [1]]}
TARGETS = {"a": 0.5, "b": 1.0, "c": 1.0}
LABELS = np.array([0, 1, 2, 3])


def outputs() -> dict:
    return {
        "logits": keras.ops.zeros((4, 5)),
        **{name: keras.ops.array(each, "float32") for name, each in GATES.items()},
    }


def test_terms_by_hand() -> None:
    terms = TargetRates(TARGETS, rate_weight=3.0)(LABELS, outputs())
    assert list(terms) == list(TargetRates(TARGETS).names)
    assert float(terms["classification_loss"]) == pytest.approx(np.log(5), rel=1e-6)
    assert float(terms["target_rate_loss"]) == pytest.approx(3 * (0.25**2 + 0.75**2 + 0) / 3, rel=1e-6)


def test_the_measure_is_the_share_of_blocks_that_run() -> None:
    assert float(TargetRates(TARGETS).measures(outputs())["execution_rate"]) == pytest.approx(8 / 12, rel=1e-6)


def test_gradients_push_every_gate_towards_its_target() -> None:
    gates = {name: tf.Variable(each, dtype="float32") for name, each in GATES.items()}
    with tf.GradientTape() as tape:
        loss = TargetRates(TARGETS)(LABELS, {**outputs(), **gates})["target_rate_loss"]
    for found, distance in zip(tape.gradient(loss, list(gates.values())), (0.25, -0.75, 0.0), strict=True):
        # 2 (z - t) / L, of which every image has a share of 1 / B.
        np.testing.assert_allclose(found, np.full((4, 1), 2 * distance / 3 / 4), atol=1e-7)


def test_it_comes_back_from_its_configuration_and_can_be_smoothed() -> None:
    objective = TargetRates(TARGETS, rate_weight=2.0)
    assert TargetRates.from_config(objective.get_config()).get_config() == objective.get_config()
    assert objective.smoothed(0.1).get_config() == {**objective.get_config(), "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("targets", "weight", "message"),
    [({}, 1.0, "targets"), ({"a": 1.5}, 1.0, "'a': 1.5"), ({"a": 0.5}, -1.0, "rate_weight")],
)
def test_what_is_not_possible_is_refused(targets: dict, weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TargetRates(targets, weight)
