"""Scores of a policy by hand: bounded in training, plain at inference, certain before the curriculum comes there."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.layers import BlockPolicy

Z = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def policy(blocks: int = 3, **arguments: float) -> BlockPolicy:
    layer = BlockPolicy(blocks, **arguments)
    layer.build((None, 4))
    layer.scores_layer.kernel.assign(np.random.default_rng(1).normal(size=(4, blocks)))
    layer.scores_layer.bias.assign(np.linspace(-1, 1, blocks))
    return layer


def margins(layer: BlockPolicy, training: bool = False) -> np.ndarray:
    return np.stack([np.asarray(pair)[:, 0] - np.asarray(pair)[:, 1] for pair in layer(Z, training=training)], axis=-1)


def logits(layer: BlockPolicy) -> np.ndarray:
    return Z @ np.asarray(layer.scores_layer.kernel) + np.asarray(layer.scores_layer.bias)


def test_scores_at_inference_are_those_of_the_dense_layer() -> None:
    layer = policy()
    np.testing.assert_allclose(margins(layer), logits(layer), rtol=1e-5)
    np.testing.assert_allclose(
        Z @ layer.scores_at_inference()[0] + layer.scores_at_inference()[1], logits(layer), rtol=1e-5
    )


def test_probabilities_in_training_are_bounded() -> None:
    layer = policy(bound=0.8)
    p = 1 / (1 + np.exp(-logits(layer)))
    q = 0.8 * p + 0.2 * (1 - p)
    np.testing.assert_allclose(1 / (1 + np.exp(-margins(layer, training=True))), q, rtol=1e-5)
    np.testing.assert_allclose(margins(policy(bound=1.0), training=True), logits(layer), rtol=1e-5)
    layer.trainable = False
    np.testing.assert_allclose(margins(layer, training=True), logits(layer), rtol=1e-5)


def test_the_curriculum_begins_at_the_last_block_and_adds_one_at_a_time() -> None:
    layer, seen = policy(curriculum_steps=2, bound=1.0), []
    for _ in range(7):
        certain = margins(layer) == 30
        assert (certain == certain[:1]).all()
        seen.append(certain[0].tolist())
        np.testing.assert_array_equal(margins(layer, training=True) == 30, certain)
    one, two, three = [True, True, False], [True, False, False], [False, False, False]
    assert seen == [one, one, two, two, three, three, three]
    kernel, bias = policy(curriculum_steps=2).scores_at_inference()
    assert not kernel[:, :2].any() and bias[:2].tolist() == [30, 30]


def test_blocks_that_are_not_decided_about_learn_nothing() -> None:
    layer = policy(curriculum_steps=5)
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.stack(layer(Z, training=True)))
    kernel, _ = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
    assert not np.asarray(kernel)[:, :2].any() and np.asarray(kernel)[:, 2].all()


def test_certain_means_a_probability_of_one() -> None:
    assert float(keras.ops.sigmoid(np.float32(30))) == 1.0 and math.exp(-30) > 0


def test_steps_are_counted_only_where_there_is_a_curriculum() -> None:
    assert len(policy().weights) == 2
    assert [weight.name for weight in policy(curriculum_steps=1).non_trainable_weights] == ["steps"]


def test_costs() -> None:
    assert policy().macs((None, 4)) == 12


@pytest.mark.parametrize("arguments", [{"blocks": 0}, {"bound": 0.5}, {"bound": 1.1}, {"curriculum_steps": -1}])
def test_what_is_not_possible_is_refused(arguments: dict) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        BlockPolicy(**{"blocks": 2, **arguments})
    with pytest.raises(ValueError, match="takes vectors"):
        BlockPolicy(2)(np.zeros((1, 2, 2, 3), "float32"))
