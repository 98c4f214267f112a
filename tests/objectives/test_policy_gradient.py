"""The policy gradient by hand: rewards, advantages, the entropy, and who learns from what."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tf_routing.objectives import PolicyGradient

DECISIONS = {"router_1": "policy_scores_1", "router_2": "policy_scores_2"}
LABELS = np.array([0, 1, 2, 0])
# Right, wrong, right and wrong; and as decided: all right but the last.
LOGITS = np.array([[2, 0, 0], [2, 0, 0], [0, 0, 2], [0, 2, 0]], "float32")
HARD = np.array([[2, 0, 0], [0, 2, 0], [0, 0, 2], [0, 2, 0]], "float32")
DRAWN = np.array([[1, 0], [0, 0], [1, 1], [0, 1]], "float32")
DECIDED = np.array([[1, 1], [1, 1], [1, 0], [0, 0]], "float32")
MARGINS = np.array([[0.5, -1.0], [2.0, 0.0], [-0.5, 1.0], [1.0, 3.0]], "float32")


def outputs() -> dict[str, Any]:
    found: dict[str, Any] = {"logits": LOGITS, "probabilities": reference.softmax(LOGITS)}
    found["hard_probabilities"] = reference.softmax(HARD)
    for number in range(2):
        found[f"router_{number + 1}"] = DRAWN[:, number : number + 1]
        found[f"hard_router_{number + 1}"] = DECIDED[:, number : number + 1]
        found[f"policy_scores_{number + 1}"] = np.stack([MARGINS[:, number] + 1, np.ones(4)], axis=-1)
    return {name: keras.ops.convert_to_tensor(each, dtype="float32") for name, each in found.items()}


def rewards(right: list[bool], blocks: np.ndarray, penalty: float) -> np.ndarray:
    return np.where(right, 1 - blocks.mean(axis=1) ** 2, -penalty)


# 1 - 1/4 and a penalty of 3, less what deciding earns.
ADVANTAGE = rewards([True, False, True, False], DRAWN, 3.0) - rewards([True, True, True, False], DECIDED, 3.0)
Q = 1 / (1 + np.exp(-MARGINS))


def test_terms_by_hand() -> None:
    assert ADVANTAGE.tolist() == [0.75, -3.0, -0.75, 0.0]
    objective = PolicyGradient(DECISIONS, penalty=3.0, policy_weight=2.0, entropy_weight=0.5, classification_weight=0.1)
    terms = objective(LABELS, outputs())
    assert list(terms) == list(objective.names)
    chances = np.log(DRAWN * Q + (1 - DRAWN) * (1 - Q)).sum(axis=1)
    assert float(terms["policy_loss"]) == pytest.approx(-2.0 * (ADVANTAGE * chances).mean(), rel=1e-5)
    assert float(terms["entropy_loss"]) == pytest.approx(0.5 * (Q * np.log(Q)).sum(axis=1).mean(), rel=1e-5)
    entropies = -np.log(reference.softmax(LOGITS)[np.arange(4), LABELS])
    assert float(terms["classification_loss"]) == pytest.approx(0.1 * entropies.mean(), rel=1e-5)


def test_the_gradient_of_the_scores_is_the_advantage_times_what_was_drawn_less_expected() -> None:
    read = outputs()
    scores = {name: tf.Variable(read[name]) for name in DECISIONS.values()}
    logits = tf.Variable(read["logits"])
    objective = PolicyGradient(DECISIONS, penalty=3.0, entropy_weight=0.0)
    with tf.GradientTape() as tape:
        probabilities = tf.nn.softmax(logits)
        loss = objective(LABELS, {**read, **scores, "logits": logits, "probabilities": probabilities})["policy_loss"]
    *found, of_logits = tape.gradient(loss, [*scores.values(), logits])
    for number, gradient in enumerate(found):
        expected = -ADVANTAGE * (DRAWN - Q)[:, number] / 4
        np.testing.assert_allclose(gradient, np.stack([expected, -expected], axis=-1), atol=1e-6)
    # The network learns from the classification alone.
    assert of_logits is None


def test_certain_scores_have_no_gradient_and_no_entropy() -> None:
    margins = tf.Variable(np.full((4, 2), [30.0, 0.0], "float32"))
    objective = PolicyGradient({"router_1": "policy_scores_1"})
    read = {**outputs(), "router_1": keras.ops.ones((4, 1))}
    with tf.GradientTape() as tape:
        terms = objective(LABELS, {**read, "policy_scores_1": margins})
        loss = terms["policy_loss"] + terms["entropy_loss"]
    np.testing.assert_allclose(tape.gradient(loss, margins), 0, atol=1e-9)
    assert float(loss) == pytest.approx(0, abs=1e-9)


def test_at_evaluation_nothing_is_drawn_and_nothing_else_read() -> None:
    objective = PolicyGradient(DECISIONS)
    assert objective.reads_hard_answers and not objective.at_evaluation().reads_hard_answers
    read = {name: each for name, each in outputs().items() if not name.startswith("hard_")}
    assert float(objective.at_evaluation()(LABELS, read)["policy_loss"]) == 0
    assert float(objective.measures(read)["execution_rate"]) == DRAWN.mean()


def test_it_comes_back_from_its_configuration_and_can_be_smoothed() -> None:
    objective = PolicyGradient(DECISIONS, penalty=3.0, policy_weight=0.2)
    assert PolicyGradient.from_config(objective.get_config()).get_config() == objective.get_config()
    assert objective.smoothed(0.1).get_config() == {**objective.get_config(), "label_smoothing": 0.1}
    with pytest.raises(ValueError, match="decisions"):
        PolicyGradient({})
    with pytest.raises(ValueError, match="penalty"):
        PolicyGradient(DECISIONS, penalty=-1.0)
