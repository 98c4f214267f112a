"""Blocks write into the maps that they read only where nothing else can notice."""

import time
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.graph_operations import operations
from tf_routing.execution.in_place import find_overwrites
from tf_routing.layers import SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.transforms.calibration import calibrate

SHAPE, COUNT, BLOCKS = (6, 6, 4), 10, 4


def branch() -> keras.Model:
    maps = keras.Input(SHAPE)
    return keras.Model(maps, keras.layers.Conv2D(SHAPE[-1], 3, padding="same")(maps))


def chain(kind: str = "chain") -> RoutedModel:
    """Four blocks that change no shape; by `kind` something else reads the second one's output."""
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE, name="image")
    x, second = image, None
    for number in range(1, BLOCKS + 1):
        decision = SkipRouter(seed=number, name=f"router_{number}")(x)
        x = SkipBlock(branch(), name=f"block_{number}")(x, decision)
        second = x if number == 2 else second
    if kind == "read_later":
        x = keras.layers.Add(name="add")([x, second])
    features = keras.layers.Flatten(name="features")(x)
    if kind == "read_beside":
        features = keras.layers.Concatenate()([features, keras.layers.Flatten()(second)])
    probabilities = keras.layers.Dense(3, "softmax", name="probabilities")(features)
    model = RoutedModel(image, probabilities, name="chain")
    calibrate(model, images(), rate=0.5)
    return model


def images(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, *SHAPE)).astype("float32")


def links(model: keras.Model) -> dict[str, str]:
    return {block.name: before.name for block, before in find_overwrites(model).items()}


def answer(model: RoutedModel, x: Any, execution: str) -> np.ndarray:
    model.set_execution(execution, "rows")
    return model.predict(x, verbose=0)


def operations_of(model: RoutedModel, count: int | None) -> list[str]:
    """The kinds of all operations of the sparse forward pass."""
    function = tf.function(lambda x: model(x, training=False), autograph=False)
    return operations(function.get_concrete_function(tf.TensorSpec((count, *SHAPE), "float32")))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("chain", {"block_2": "block_1", "block_3": "block_2", "block_4": "block_3"}),
        ("read_later", {"block_2": "block_1", "block_4": "block_3"}),
        ("read_beside", {"block_2": "block_1", "block_4": "block_3"}),
    ],
)
def test_blocks_overwrite_what_they_alone_read(kind: str, expected: dict[str, str]) -> None:
    model = chain(kind)
    model.set_execution("sparse", "rows")
    assert links(model) == expected
    kinds = operations_of(model, COUNT)
    assert kinds.count("InplaceUpdate") == len(expected)
    # Each block hands on its maps' means beside.
    assert kinds.count("TensorScatterUpdate") == BLOCKS - len(expected) + BLOCKS


def test_outputs_are_not_overwritten() -> None:
    model = chain()
    features = keras.Model(model.input, [model.get_layer("block_2").output, model.output])
    assert links(features) == {"block_2": "block_1", "block_4": "block_3"}


def test_what_another_model_reads_of_the_same_layers_is_not_overwritten() -> None:
    model, x = chain(), images()
    parts = [model.get_layer(f"block_{number}").output for number in range(1, BLOCKS + 1)]
    expected = keras.Model(model.input, parts)
    found = {}
    for execution in ("masked", "sparse"):
        model.set_execution(execution, "rows")
        model.predict(x, verbose=0)
        found[execution] = expected(x, training=False)
    for sparse, masked in zip(found["sparse"], found["masked"], strict=True):
        np.testing.assert_allclose(sparse, masked, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "rate"),
    [("chain", 0.0), ("chain", 0.3), ("chain", 1.0), ("read_later", 0.3), ("read_beside", 0.3)]
    + [
        pytest.param(kind, rate, marks=pytest.mark.heavy)
        for kind in ("read_later", "read_beside")
        for rate in (0.0, 1.0)
    ],
)
def test_answers_are_those_of_masked_execution_every_time(kind: str, rate: float) -> None:
    model, x = chain(kind), images()
    calibrate(model, x, rate=rate)
    expected = answer(model, x, "masked")
    for _ in range(2):
        np.testing.assert_allclose(answer(model, x, "sparse"), expected, rtol=1e-5, atol=1e-6)
    for count in (1, 3):
        np.testing.assert_allclose(answer(model, x[:count], "sparse"), expected[:count], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("closed", [(), (1,), (1, 2), (1, 2, 3), (2,), (3, 4)])
def test_the_images_stay_as_they_are(closed: tuple[int, ...], compiled: bool) -> None:
    """The first block reads the image itself, and where it runs for none hands it on."""
    model = chain()
    for number in range(1, BLOCKS + 1):
        router = model.get_layer(f"router_{number}")
        router.shift_thresholds(np.array([-1e3 if number in closed else 1e3]))
    model.set_execution("sparse", "rows")
    function = tf.function(lambda x: model(x, training=False), autograph=False) if compiled else model
    given = tf.constant(images())
    first, second = np.asarray(function(given)), np.asarray(function(given))
    np.testing.assert_array_equal(given, images())
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_read_later_stays_where_the_block_between_runs_for_none(compiled: bool) -> None:
    """The third block hands on the second one's maps, which are read later, and the fourth writes into its input."""
    model = chain("read_later")
    for number, shift in ((3, -1e3), (4, 1e3)):
        model.get_layer(f"router_{number}").shift_thresholds(np.array([shift]))
    expected = answer(model, images(), "masked")
    model.set_execution("sparse", "rows")
    assert links(model)["block_4"] == "block_3"
    function = tf.function(lambda x: model(x, training=False), autograph=False) if compiled else model
    np.testing.assert_allclose(function(tf.constant(images())), expected, rtol=1e-5, atol=1e-6)


def test_a_block_that_runs_twice_overwrites_nothing() -> None:
    """Where it runs first nothing else reads its input, where it runs again something does."""
    keras.utils.set_random_seed(3)
    image, twice = keras.Input(SHAPE, name="image"), SkipBlock(branch(), name="twice")
    first = SkipBlock(branch(), name="block_1")(image, SkipRouter(name="router_1")(image))
    again = twice(first, SkipRouter(name="router_2")(first))
    other = SkipBlock(branch(), name="block_2")(again, SkipRouter(name="router_3")(again))
    last = twice(other, SkipRouter(name="router_4")(other))
    joined = keras.layers.Add(name="add")([last, other])
    model = RoutedModel(image, keras.layers.GlobalAveragePooling2D(name="means")(joined))
    for number in range(1, BLOCKS + 1):
        model.get_layer(f"router_{number}").shift_thresholds(np.array([1e3]))
    sparse, masked = (answer(model, images(), execution) for execution in ("sparse", "masked"))
    np.testing.assert_allclose(sparse, masked, rtol=1e-4, atol=1e-5)


def test_a_block_does_not_overwrite_what_a_case_may_have_handed_on() -> None:
    model = chain()
    x = images(1)
    expected = answer(model, x, "masked")
    model.set_execution("sparse")
    for number, method in enumerate(("switch", "rows", "switch", "rows"), start=1):
        model.get_layer(f"block_{number}").method = method
    # The fourth block reads what the third one may have handed on, the second what the first one may have.
    assert "InplaceUpdate" not in operations_of(model, 1)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


class SlowReader(keras.layers.Layer):
    """Decides by one number of the maps, and reads the rest of them when everything else has had its time."""

    def call(self, maps: Any) -> tuple[Any, Any]:
        def total(read: Any) -> np.ndarray:
            time.sleep(0.2)
            return read.numpy().sum(axis=(1, 2, 3))[:, None]

        sums = tf.ensure_shape(tf.py_function(total, [maps], tf.float32), (None, 1))
        return tf.cast(maps[:, 0, 0, :1] > -1e3, maps.dtype), sums


def test_maps_are_overwritten_only_when_all_that_reads_them_has_done_so() -> None:
    image = keras.Input(SHAPE, name="image")
    first = SkipBlock(branch(), name="block_1")(image, SlowReader(name="reader_1")(image)[0])
    decision, sums = SlowReader(name="reader_2")(first)
    second = SkipBlock(branch(), name="block_2")(first, decision)
    means = keras.layers.GlobalAveragePooling2D(name="means")(second)
    model = RoutedModel(image, keras.layers.Concatenate(name="joined")([sums, means]))
    model.set_execution("sparse", "rows")
    assert links(model) == {"block_2": "block_1"}
    sparse, masked = (answer(model, images(), execution) for execution in ("sparse", "masked"))
    np.testing.assert_allclose(sparse, masked, rtol=1e-4, atol=1e-4)
