"""The cost of blocks that run, by hand: its terms, its gradient through the gates, and what is refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.objectives import ExecutionCost

# Three of four images run the first block, one the second.
GATES = {"a": [[1], [1], [1], [0]], "b": [[0], [0], [1], [0]]}
LABELS = np.array([0, 1, 2, 3])


def outputs(**gates: Any) -> dict[str, Any]:
    gates = gates or {name: keras.ops.array(each, "float32") for name, each in GATES.items()}
    return {"logits": keras.ops.zeros((4, 5)), **gates}


def test_terms_by_hand() -> None:
    objective = ExecutionCost(list(GATES), cost_weight=0.4)
    terms = objective(LABELS, outputs())
    assert list(terms) == list(objective.names)
    assert float(terms["classification_loss"]) == pytest.approx(np.log(5), rel=1e-6)
    # The rewards of the paper: alpha / N for every block that an image skips.
    rewards = [sum(0.4 / 2 * (1 - gate[image][0]) for gate in GATES.values()) for image in range(4)]
    assert float(terms["execution_loss"]) == pytest.approx(0.4 - np.mean(rewards), rel=1e-6)


def test_soft_gates_count_by_their_share_and_are_measured_as_they_would_decide() -> None:
    gates = outputs(a=keras.ops.array([[0.5]] * 4), b=keras.ops.array([[0.25]] * 4))
    objective = ExecutionCost(["a", "b"], cost_weight=1.0)
    assert float(objective(LABELS, gates)["execution_loss"]) == pytest.approx(0.375)
    assert float(objective.measures(gates)["execution_rate"]) == 0.5


def test_every_gate_is_pushed_alike() -> None:
    gates = {name: tf.Variable(each, dtype="float32") for name, each in GATES.items()}
    with tf.GradientTape() as tape:
        loss = ExecutionCost(list(GATES), cost_weight=0.8)(LABELS, outputs(**gates))["execution_loss"]
    for found in tape.gradient(loss, list(gates.values())):
        np.testing.assert_allclose(found, np.full((4, 1), 0.8 / 2 / 4), rtol=1e-6)


def test_it_comes_back_from_its_configuration_and_can_be_smoothed() -> None:
    objective = ExecutionCost(["a"], cost_weight=2.0)
    assert ExecutionCost.from_config(objective.get_config()).get_config() == objective.get_config()
    assert objective.smoothed(0.1).get_config() == {**objective.get_config(), "label_smoothing": 0.1}


@pytest.mark.parametrize(("decisions", "weight", "message"), [([], 1.0, "decisions"), (["a"], -1.0, "cost_weight")])
def test_what_is_not_possible_is_refused(decisions: list[str], weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExecutionCost(decisions, weight)
