"""Small networks of split blocks, whose sub-blocks count the rows that they run on."""

from typing import Any

import keras
import numpy as np

from tf_routing.execution import Settings, gated_blocks
from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.transforms.calibration import calibrate

SIDE, CHANNELS, CLASSES = 8, 4, 5
SHORTCUTS = ["identity", "projection", None]


@keras.saving.register_keras_serializable(package="tests")
class RowCounter(keras.layers.Layer):
    """Passes its input on, and adds up how many rows it saw."""

    def build(self, input_shape: Any) -> None:
        self.rows = self.add_weight(shape=(), initializer="zeros", trainable=False, autocast=False, name="rows")

    def call(self, inputs: Any) -> Any:
        self.rows.assign_add(keras.ops.cast(keras.ops.shape(inputs)[0], self.rows.dtype))
        return inputs

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


def _part(x: Any, n: int, strides: int, depthwise: bool) -> keras.Model:
    """A sub-block: a row counter, convolutions and batch normalisation; no two do the same."""
    y = maps = keras.Input(x.shape[1:], dtype=x.dtype)
    y = RowCounter(name="counter")(y)
    if depthwise:
        y = keras.layers.DepthwiseConv2D(3, strides, "same", use_bias=False, name="depthwise")(y)
        strides = 1
    y = keras.layers.Conv2D(CHANNELS + n, 3, strides, padding="same", name="conv_1")(y)
    y = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(y))
    return keras.Model(maps, keras.layers.Conv2D(CHANNELS, 1, name="conv_2")(y), name=f"sub_block_{n + 1}")


def _projection(x: Any, strides: int) -> keras.Model:
    """A shortcut that convolves."""
    maps = keras.Input(x.shape[1:], dtype=x.dtype)
    return keras.Model(maps, keras.layers.Conv2D(CHANNELS, 1, strides, name="conv")(maps), name="shortcut")


def split_net(
    sub_blocks: int = 2, shortcut: str | None = "identity", activation: str | None = "relu", depthwise: bool = False
) -> RoutedModel:
    """Returns a network of two split blocks that ends in logits, its weights always the same.

    The blocks have a stride of 2 where the shortcut is no identity; where there is none, one sub-block is forced on.
    """
    keras.utils.set_random_seed(4)
    strides = 1 if shortcut == "identity" else 2
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x, states = keras.layers.Conv2D(CHANNELS, 3, padding="same", name="stem")(image), []
    for number in (1, 2):
        controller = Controller(sub_blocks, force_one=shortcut is None, name=f"controller_{number}")
        switches, state = controller(x, *states)
        parts = [_part(x, n, strides, depthwise) for n in range(sub_blocks)]
        own = _projection(x, strides) if shortcut == "projection" else shortcut
        x, states = SplitBlock(parts, own, activation, name=f"block_{number}")(x, switches), [state]
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = RoutedModel(image, keras.layers.Dense(CLASSES, name="logits")(pooled), name="split")
    disturb(model)
    return model


def disturb(model: keras.Model) -> None:
    """Draws every weight anew, so that no bias is zero and no normalisation the identity."""
    rng = np.random.default_rng(6)
    for weight in model.weights:
        if weight.name in ("moving_variance", "gamma"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name != "rows":
            scale = np.sqrt(2 / max(np.prod(weight.shape[:-1]), 1)) if len(weight.shape) > 1 else 0.3
            weight.assign(rng.normal(0, scale, weight.shape))


def images(count: int) -> np.ndarray:
    """Returns images, the first ones the same whatever the count."""
    return np.random.default_rng(8).normal(size=(40, SIDE, SIDE, 3)).astype("float32")[:count]


def mixed_net(*arguments: Any, rate: float = 0.5, **keywords: Any) -> RoutedModel:
    """Returns a `split_net` whose switches are each on for a share of forty `images`."""
    model = split_net(*arguments, **keywords)
    calibrate(model, images(40), rate=rate)
    return model


def masked(model: RoutedModel, x: Any, return_outputs: bool = False) -> Any:
    """What the model computes with every part run; the setting stays as it was."""
    before = model.executor.settings
    model.execution = "masked"
    outputs = model(x, training=False, return_outputs=return_outputs)
    model.apply_settings(before)
    return keras.tree.map_structure(np.asarray, outputs)


def block_settings(model: RoutedModel) -> list[Settings]:
    """How the model's blocks run, in order of depth, each by the settings that the model hands to it."""
    run = model.executor.begin_run()
    return [run.settings_of(block) for block in gated_blocks(model)]


def decided(model: RoutedModel, x: Any) -> np.ndarray:
    """How many samples chose each sub-block, `(blocks, sub-blocks)`, read from the decisions of a masked run."""
    outputs = masked(model, x, return_outputs=True)
    return np.array([outputs[name].sum(axis=0) for name in model.decision_names])


def counters(model: keras.Model) -> list[list[Any]]:
    """The row counters' weights, by block and sub-block."""
    return [[part.get_layer("counter").rows for part in block.sub_blocks] for block in gated_blocks(model)]


def rows_run(model: keras.Model) -> np.ndarray:
    """The rows that each sub-block ran on since the last call, `(blocks, sub-blocks)`."""
    rows = [[float(counter) for counter in block] for block in counters(model)]
    for counter in keras.tree.flatten(counters(model)):
        counter.assign(0)
    return np.array(rows)


def relative(found: Any, expected: Any) -> float:
    """The largest difference, relative to the largest value."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.abs(found - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-30))
