"""Blocks that compute the same are traced once, with the weights of each; all others by themselves."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.execution import test_in_place
from tf_routing import zoo
from tf_routing.execution import GraphExecutor, sparse
from tf_routing.execution.likeness import describe
from tf_routing.execution.shared_traces import SharedTraces
from tf_routing.layers import SkipBlock, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.transforms.calibration import calibrate

SHAPE = (6, 6, 4)


@pytest.fixture
def count_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[Any]]:
    """Replaces a function by one that notes its calls, and returns the notes."""

    def watch(owner: Any, name: str) -> list[Any]:
        notes: list[Any] = []
        original = getattr(owner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            notes.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, noted)
        return notes

    return watch


def draw_weights(model: keras.Model, seed: int) -> None:
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.normal(0.1, 0.3, weight.shape))


def images(count: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(5).random((count, *shape)).astype("float32")


def calibrated(model: RoutedModel) -> RoutedModel:
    """Different images take different routes."""
    draw_weights(model, 1)
    calibrate(model, images(16, model.input_shape[1:]), rate=0.5)
    return model


def masked(model: RoutedModel, x: np.ndarray) -> np.ndarray:
    before = model.execution
    model.execution = "masked"
    answers = np.asarray(model(x))
    model.execution = before
    return answers


def block(activation: Any = "relu", layer: Any = None, shortcut: Any = "identity", parts: int = 1) -> Any:
    def part() -> keras.Model:
        maps = keras.Input(SHAPE)
        y = keras.layers.Conv2D(SHAPE[-1], 3, padding="same")(maps)
        return keras.Model(maps, layer(y) if layer else y)

    return SkipBlock(part(), shortcut, activation) if parts == 1 else SplitBlock([part(), part()], shortcut, activation)


def text(layer: Any) -> str | None:
    found = describe(layer)
    return found and found.text


def test_a_chain_of_equal_blocks_is_traced_as_often_as_blocks_differ(count_calls: Any) -> None:
    # The first may not write into the image, and nothing writes into the output of the last: three ways.
    model = test_in_place.chain()
    traced = count_calls(sparse, "_run_block")
    model.predict(images(8), verbose=0)
    assert len(traced) == 3 < test_in_place.BLOCKS


@pytest.mark.parametrize("name", ["drn_resnet32", "dmnn50_cifar_n2"])
def test_a_network_traces_one_block_of_each_kind(name: str, count_calls: Any) -> None:
    traced = count_calls(sparse, "_run_block")
    model = zoo.get(name, width_multiplier=0.125, input_shape=(16, 16, 3))
    model.predict(images(4, (16, 16, 3)), verbose=0)
    # DRN: two stages of a block that strides, the next one, and more; the first and last have ways of their own.
    kinds = {"drn_resnet32": 9, "dmnn50_cifar_n2": 8}
    assert (
        len(traced) <= kinds[name] < len([each for each in model.layers if isinstance(each, (SkipBlock, SplitBlock))])
    )


def test_every_block_reads_its_own_weights_as_they_are_now(count_calls: Any) -> None:
    model, x = calibrated(test_in_place.chain()), images(9)
    np.testing.assert_allclose(model.predict(x, verbose=0), masked(model, x), rtol=1e-4, atol=1e-6)
    answers = model.predict(x, verbose=0)
    traced = count_calls(sparse, "_run_block")
    draw_weights(model, 2)
    changed = model.predict(x, verbose=0)
    np.testing.assert_allclose(changed, masked(model, x), rtol=1e-4, atol=1e-6)
    assert np.abs(changed - answers).max() > 0.01 and not traced


def test_gradients_reach_the_weights_of_each_block() -> None:
    model, x = calibrated(test_in_place.chain("read_later")), tf.constant(images(9))
    kernels = [
        weight for weight in model.trainable_weights if weight.path.endswith("kernel") and len(weight.shape) == 4
    ]

    def gradients() -> list[np.ndarray]:
        @tf.function(autograph=False)
        def step() -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(x, training=False)[:, 0])
            return tape.gradient(loss, [kernel.value for kernel in kernels])

        return [np.asarray(each) for each in step()]

    model.set_execution("sparse", "patterns")
    sparse_gradients = gradients()
    model.execution = "masked"
    for ours, expected in zip(sparse_gradients, gradients(), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-6)


def test_predict_traces_once_for_all_sizes_and_then_for_single_images(count_calls: Any) -> None:
    model, x = calibrated(test_in_place.chain()), images(40)
    expected = masked(model, x)
    traced = count_calls(GraphExecutor, "run_layers")
    answers = [model.predict(x[:count], verbose=0) for count in (8, 32, 5, 33)]
    assert len(traced) == 1
    answers += [model.predict_on_batch(x[:7])]
    assert len(traced) == 1
    for each in answers:
        np.testing.assert_allclose(each, expected[: len(each)], rtol=1e-4, atol=1e-6)
    # One image was left over of 33; from the fourth on they get a graph of their own.
    singles = [model.predict(x[:1], verbose=0) for _ in range(2)]
    assert len(traced) == 1
    singles += [model.predict(x[:1], verbose=0) for _ in range(2)]
    assert len(traced) == 2
    for each in singles:
        np.testing.assert_allclose(each, expected[:1], rtol=1e-4, atol=1e-6)


def test_routes_call_what_predict_traced(count_calls: Any) -> None:
    model, x = test_in_place.chain(), images(8)
    model.predict(x, verbose=0)
    traced = count_calls(sparse, "_run_block")
    model.routes(x)
    assert not traced


def test_building_and_setting_trace_nothing(count_calls: Any) -> None:
    notes = [count_calls(GraphExecutor, "run_layers"), count_calls(SharedTraces, "run")]
    model = zoo.get("drn_resnet32", width_multiplier=0.125)
    for execution in ("sparse", "masked", "auto"):
        model.set_execution(execution)
    assert not any(notes)


def test_blocks_that_differ_are_not_alike() -> None:
    kinds = [block(), block("tanh"), block(layer=keras.layers.ReLU()), block(layer=keras.layers.ReLU(6.0))]
    kinds += [block(parts=2), block(parts=2, shortcut=None)]
    kinds.append(SkipBlock(block().sub_blocks[0], adds_shortcut=False))
    assert None not in {text(each) for each in kinds}
    assert len({text(each) for each in kinds}) == len(kinds)
    assert text(block()) == text(block())


class Doubles(keras.layers.Layer):
    """A user's own layer."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def quantized() -> Any:
    changed = block(layer=keras.layers.Dense(4))
    changed.sub_blocks[0].layers[-1].quantize("int8")
    return changed


UNKNOWN = {
    "a user's layer": lambda: block(layer=Doubles()),
    "a user's activation": lambda: block(lambda x: 2 * x),
    "an activation inside": lambda: block(layer=keras.layers.Activation(lambda x: 2 * x)),
    "a model inside": lambda: block(layer=keras.Sequential([keras.layers.ReLU()])),
    "random draws": lambda: block(layer=keras.layers.Dropout(0.5)),
    "an operation": lambda: block(layer=keras.ops.relu),
    "quantised": quantized,
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_configurations_do_not_hold_is_not_shared(what: str) -> None:
    assert describe(UNKNOWN[what]()) is None


def test_layers_that_are_tied_are_not_those_that_are_not() -> None:
    def net(tied: bool) -> keras.Model:
        maps = keras.Input(SHAPE)
        first = keras.layers.Conv2D(4, 1)
        return keras.Model(maps, (first if tied else keras.layers.Conv2D(4, 1))(first(maps)))

    assert text(net(True)) != text(net(False))
