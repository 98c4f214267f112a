"""Routers read means that the block before handed on, where it left the other rows as they were."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.execution.carried_means import CarriedMeans, average_positions
from tf_routing.layers import IdentityShortcut, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.transforms.calibration import calibrate

COUNT, SIZE, BLOCKS = 12, 8, 5


def branch(shape: Any, width: int, strides: int) -> keras.Model:
    maps = keras.Input(shape)
    return keras.Model(maps, keras.layers.Conv2D(width, 3, strides, "same")(maps))


def net() -> RoutedModel:
    """Five blocks, of which the third halves the maps."""
    keras.utils.set_random_seed(3)
    image = x = keras.Input((SIZE, SIZE, 4))
    for number in range(1, BLOCKS + 1):
        strides, shape = 2 if number == 3 else 1, x.shape[1:]
        decision = SkipRouter(name=f"router_{number}")(x)
        shortcut: Any = "identity"
        if strides > 1:
            maps = keras.Input(shape)
            shortcut = keras.Model(maps, IdentityShortcut(shape[-1], strides)(maps))
        x = SkipBlock(branch(shape, shape[-1], strides), shortcut, name=f"block_{number}")(x, decision)
    model = RoutedModel(image, keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(x)))
    calibrate(model, images(), rate=0.5)
    return model


def images(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, SIZE, SIZE, 4)).astype("float32")


@pytest.mark.parametrize("method", ["rows", "patterns"])
def test_whole_maps_are_averaged_where_a_chain_begins(method: str) -> None:
    model = net()
    found = {}
    for execution in ("masked", "sparse"):
        model.set_execution(execution, method)
        function = tf.function(lambda x: model(x, training=False), autograph=False)
        graph = function.get_concrete_function(tf.TensorSpec((COUNT, SIZE, SIZE, 4))).graph
        # What is averaged of the rows that ran stands in the branches' own graphs, but for patterns.
        found[execution] = sum(
            operation.type == "Mean" and operation.inputs[0].shape[0] == COUNT for operation in graph.get_operations()
        )
    # Before the first block, and behind the one that halves the maps.
    assert found == {"masked": BLOCKS, "sparse": 2}


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("method", ["rows", "patterns", "switch"])
def test_decisions_and_answers_are_those_of_masked_execution(method: str, rate: float) -> None:
    model, x = net(), images(1 if method == "switch" else COUNT)
    calibrate(model, x, rate=rate)
    expected, routes = model(x, training=False), model.routes(x)
    assert all(len(np.unique(each)) == 2 for each in routes.values()) or rate != 0.4 or method == "switch"
    model.set_execution("sparse", method)
    for run in (model, tf.function(lambda x: model(x, training=False), autograph=False)):
        np.testing.assert_allclose(run(tf.constant(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_means_of_half_precision_are_single(dtype: str) -> None:
    maps = keras.ops.cast(images(), dtype)
    means = average_positions(maps)
    assert keras.backend.standardize_dtype(means.dtype) == "float32"
    exact = np.asarray(keras.ops.cast(maps, "float32"), "float64").mean(axis=(1, 2))
    np.testing.assert_allclose(means, exact, rtol=1e-5, atol=1e-7)


def test_means_are_known_of_the_newest_maps_alone() -> None:
    maps, others, means = np.ones((1, 2, 2, 1)), np.ones((1, 2, 2, 1)), CarriedMeans()
    assert means.find(maps) is None
    means.keep(maps, "means")
    assert means.find(maps) == "means" and means.find(others) is None
    means.keep(others, "other means")
    assert means.find(maps) is None and means.find(others) == "other means"


def test_means_are_carried_within_one_batch_alone() -> None:
    model = net()
    model.execution = "masked"
    assert model.executor.begin_run().means is None
    model.execution = "sparse"
    assert model.executor.begin_run().means is not model.executor.begin_run().means
