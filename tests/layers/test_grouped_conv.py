"""A grouped convolution is a full convolution whose kernel is zero between groups, and Keras's own with groups."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.cost import layer_macs
from tf_routing.layers import GroupedConv2D

CHANNELS, FILTERS = 12, 6

ARGUMENTS: list[dict[str, Any]] = [
    {"groups": 1, "padding": "same"},
    {"groups": 2, "padding": "same"},
    {"groups": 3, "padding": "same", "strides": 2},
    {"groups": 6, "padding": "valid", "strides": (1, 2), "use_bias": False},
    {"groups": 2, "padding": "valid", "dilation_rate": 2, "activation": "relu"},
]


def inputs(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, 9, 8, CHANNELS))


def built(cls: type[keras.layers.Conv2D], **arguments: Any) -> keras.layers.Conv2D:
    layer = cls(FILTERS, (3, 2), dtype="float64", name="conv", **arguments)
    layer.build((None, 9, 8, CHANNELS))
    random = np.random.default_rng(2)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    return layer


def block_diagonal(kernel: np.ndarray, groups: int) -> np.ndarray:
    """The kernel of the full convolution: that of each group in its block, zeros elsewhere."""
    full = np.zeros((*kernel.shape[:2], CHANNELS, FILTERS))
    into, out = CHANNELS // groups, FILTERS // groups
    for g in range(groups):
        columns = slice(g * out, (g + 1) * out)
        full[:, :, g * into : (g + 1) * into, columns] = kernel[..., columns]
    return full


def full_convolution(arguments: dict[str, Any], kernel: np.ndarray, bias: list[np.ndarray]) -> keras.layers.Conv2D:
    full = built(keras.layers.Conv2D, **{**arguments, "groups": 1})
    full.set_weights([block_diagonal(kernel, arguments["groups"]), *bias])
    return full


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_it_equals_the_grouped_convolution_of_keras(arguments: dict[str, Any]) -> None:
    ours, theirs = built(GroupedConv2D, **arguments), built(keras.layers.Conv2D, **arguments)
    assert [weight.path for weight in ours.weights] == [weight.path for weight in theirs.weights]
    assert ours.kernel.shape == (3, 2, CHANNELS // arguments["groups"], FILTERS)
    np.testing.assert_allclose(np.asarray(ours(inputs())), np.asarray(theirs(inputs())), atol=1e-10)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_output_and_gradients_are_those_of_a_block_diagonal_kernel(arguments: dict[str, Any]) -> None:
    layer, groups = built(GroupedConv2D, **arguments), arguments["groups"]
    kernel, *bias = layer.get_weights()
    full = full_convolution(arguments, kernel, bias)
    x, found = tf.constant(inputs()), []
    upstream = np.random.default_rng(3).normal(size=layer(x).shape)
    for each in (layer, full):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = each(x)
            loss = tf.reduce_sum(outputs * upstream)
        found.append((outputs, *tape.gradient(loss, [x, *each.trainable_variables])))
    (y, dx, dk, *db), (full_y, full_dx, full_dk, *full_db) = found
    for ours, expected in zip((y, dx, *db), (full_y, full_dx, *full_db), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-9)
    # The full kernel has gradients between groups too; those within groups are ours.
    within = block_diagonal(np.ones_like(kernel), groups) > 0
    np.testing.assert_allclose(block_diagonal(dk.numpy(), groups), np.where(within, full_dk, 0), atol=1e-9)
    assert np.abs(dk).max() > 0.1


def test_a_group_reads_its_own_channels_only() -> None:
    layer, x = built(GroupedConv2D, groups=3), inputs()
    changed = x.copy()
    changed[..., 4:8] += 1
    difference = np.abs(np.asarray(layer(changed)) - np.asarray(layer(x))).max(axis=(0, 1, 2))
    assert (difference > 1e-3).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(("strides", "positions"), [(1, 9 * 8), (2, 5 * 4)])
def test_cost(strides: int, positions: int) -> None:
    layer = built(GroupedConv2D, groups=3, padding="same", strides=strides)
    shape = (None, 9, 8, CHANNELS)
    assert (
        layer_macs(layer, shape, layer.compute_output_shape(shape)) == positions * (3 * 2) * (CHANNELS // 3) * FILTERS
    )


def test_the_configuration_is_that_of_keras_and_comes_back() -> None:
    arguments = {"groups": 2, "strides": 2, "padding": "same", "kernel_initializer": "he_normal", "use_bias": False}
    layer, theirs = built(GroupedConv2D, **arguments), built(keras.layers.Conv2D, **arguments)
    assert layer.get_config() == theirs.get_config()
    back = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(back) is GroupedConv2D
    assert back.get_config() == layer.get_config()
    back.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(back(inputs())), np.asarray(layer(inputs())))


@pytest.mark.parametrize("groups", [0, 5])
def test_groups_that_do_not_divide_are_named(groups: int) -> None:
    with pytest.raises(ValueError, match=f"groups={groups}"):
        built(GroupedConv2D, groups=groups)


def test_groups_that_do_not_divide_the_input_are_named() -> None:
    with pytest.raises(ValueError, match="groups=3.*10 channels"):
        GroupedConv2D(6, 3, groups=3).build((None, 9, 8, 10))
