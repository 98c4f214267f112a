"""The sum of the exits' cross-entropies, by hand: its terms, its gradient, and what is refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.objectives import Classification, DeepSupervision

LABELS = np.array([0, 2, 1])
LOGITS = np.random.default_rng(6).normal(size=(3, 2, 4)).astype("float32")


def outputs(logits: Any = LOGITS) -> dict[str, Any]:
    return {"probabilities": keras.ops.zeros((3, 4)), "mixture_exit_logits": keras.ops.convert_to_tensor(logits)}


def entropies() -> np.ndarray:
    """Cross-entropies `(images, exits)`."""
    logits = LOGITS.astype("float64")
    return np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(3)[:, None], np.arange(2), LABELS[:, None]]


def values(terms: dict[str, Any]) -> list[float]:
    return [float(each) for each in terms.values()]


def test_every_exit_has_a_term() -> None:
    objective = DeepSupervision(["exit_1", "exit_2"])
    terms = objective(LABELS, outputs())
    assert tuple(terms) == objective.names == ("exit_1_loss", "exit_2_loss")
    np.testing.assert_allclose(values(terms), entropies().mean(axis=0), rtol=1e-6)


def test_exits_and_samples_are_weighted() -> None:
    terms = DeepSupervision(["exit_1", "exit_2"], [0.0, 3.0])(LABELS, outputs(), np.array([1.0, 0.0, 2.0], "float32"))
    expected = (entropies() * np.array([1.0, 0.0, 2.0])[:, None]).mean(axis=0) * [0.0, 3.0]
    np.testing.assert_allclose(values(terms), expected, rtol=1e-6)


def test_an_exit_is_pushed_by_its_own_term_alone() -> None:
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = sum(DeepSupervision(["exit_1", "exit_2"], [1.0, 0.5])(LABELS, outputs(logits)).values())
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=-1, keepdims=True)
    expected = (shares - np.eye(4)[LABELS][:, None]) / 3 * np.array([1.0, 0.5])[:, None]
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-4, atol=1e-6)


def test_one_exit_smoothed_is_a_smoothed_classification() -> None:
    terms = DeepSupervision(["exit_1"]).smoothed(0.2)(LABELS, outputs(LOGITS[:, :1]))
    expected = Classification(0.2)(LABELS, {"logits": LOGITS[:, 0]})
    assert values(terms) == pytest.approx(values(expected), rel=1e-6)


def test_it_comes_back_from_its_configuration() -> None:
    objective = DeepSupervision(["exit_1", "exit_2"], (np.float32(0.5), 1), 0.1)
    config = objective.get_config()
    assert config == {"exits": ["exit_1", "exit_2"], "exit_weights": [0.5, 1], "label_smoothing": 0.1}
    assert DeepSupervision.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("exits", "weights", "message"),
    [
        ([], None, "`exits` must be a list of one name or more"),
        ("exit_1", None, "`exits` must be a list of one name or more"),
        (["a", "b"], [1.0], "`exit_weights` must be a list of 2 numbers"),
        (["a"], [-1.0], "`exit_weights` must be a list of 1 numbers"),
        (["a", "b"], [float("inf"), 1.0], "`exit_weights` must be a list of 2 numbers"),
        (["a"], 1.0, "`exit_weights` must be a list of 1 numbers"),
        (["a", "b"], [0.0, 0.0], "not all zero"),
    ],
)
def test_what_is_not_possible_is_refused(exits: Any, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DeepSupervision(exits, weights)
