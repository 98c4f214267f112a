"""Small classifiers such as people bring along, with weights and statistics that differ from where they started."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

SHAPE, CLASSES, COUNT = (8, 8, 3), 5, 6


def _conv(x: Any, width: int, name: str, strides: int = 1, kernel: int = 3) -> Any:
    x = keras.layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return keras.layers.BatchNormalization(name=f"{name}_bn")(x)


def _head(x: Any, activation: str | None = "softmax") -> Any:
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.layers.Dense(CLASSES, activation, name="predictions")(x)


def _residual(image: Any) -> Any:
    """As ResNets: ReLU behind the sum, the middle block changes the shape."""
    x = keras.layers.ReLU(name="stem_relu")(_conv(image, 4, "stem"))
    for number, (width, strides) in enumerate(((4, 1), (8, 2), (8, 1)), 1):
        y = keras.layers.ReLU(name=f"b{number}_relu")(_conv(x, width, f"b{number}_1", strides))
        y = _conv(y, width, f"b{number}_2")
        shortcut = _conv(x, width, f"b{number}_0", strides, 1) if strides > 1 else x
        # Both orders are found.
        pair = [shortcut, y] if number == 1 else [y, shortcut]
        x = keras.layers.Activation("relu", name=f"b{number}_out")(keras.layers.Add(name=f"b{number}_add")(pair))
    return _head(x)


def _preactivated(image: Any) -> Any:
    """As ResNetV2: normalisation and ReLU in front of the convolutions, and nothing behind the sum."""
    x = _conv(image, 4, "stem")
    for number in (1, 2):
        y = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"b{number}_pre")(x))
        x = keras.layers.Add(name=f"b{number}_out")([x, _conv(y, 4, f"b{number}")])
    return _head(keras.layers.ReLU()(x))


def _squeezed(image: Any) -> Any:
    """As EfficientNet: squeeze-and-excite, swish and stochastic depth in the branch."""
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(image)
    x = keras.layers.Activation("swish")(_conv(x, 4, "stem"))
    for number in (1, 2):
        y = keras.layers.Activation("swish")(_conv(x, 8, f"b{number}_1", kernel=1))
        y = keras.layers.DepthwiseConv2D(3, padding="same", name=f"b{number}_depthwise")(y)
        z = keras.layers.Reshape((1, 1, 8))(keras.layers.GlobalAveragePooling2D()(y))
        z = keras.layers.Conv2D(8, 1, activation="sigmoid", name=f"b{number}_excite")(z)
        y = _conv(keras.layers.Multiply()([y, z]), 4, f"b{number}_2", kernel=1)
        y = keras.layers.Dropout(0.2, noise_shape=(None, 1, 1, 1), name=f"b{number}_drop")(y)
        x = keras.layers.Add(name=f"b{number}_add")([y, x])
    return _head(keras.layers.Dropout(0.2)(x))


def _of_operations(image: Any) -> Any:
    """As ConvNeXt: sums of operations without a name, layer normalisation, GELU, and a scale per channel."""
    x = keras.layers.Conv2D(4, 2, 2, name="stem")(image)
    for number in (1, 2):
        y = keras.layers.DepthwiseConv2D(3, padding="same", name=f"b{number}_depthwise")(x)
        y = keras.layers.LayerNormalization(epsilon=1e-6)(y)
        y = keras.layers.Dense(8, activation="gelu", name=f"b{number}_1")(y)
        y = keras.layers.Dense(4, name=f"b{number}_2")(y)
        x = x + y * np.array([0.5, -1.0, 2.0, 0.1], "float32")
    logits = keras.layers.Dense(CLASSES, name="predictions")(keras.ops.mean(x, axis=(1, 2)))
    return keras.ops.softmax(logits)


def _transferred(image: Any) -> Any:
    """As people write it who put a head of their own onto a network."""
    inner_image = keras.Input(SHAPE, name="image")
    x = keras.layers.ReLU(name="stem_relu")(_conv(inner_image, 4, "stem"))
    y = _conv(x, 4, "b1")
    base = keras.Model(
        inner_image, keras.layers.ReLU(name="b1_out")(keras.layers.Add(name="b1_add")([x, y])), name="base"
    )
    x = keras.Sequential([keras.Input(SHAPE), keras.layers.RandomFlip(seed=1, name="flip")], name="augmentation")(image)
    return _head(base(x, training=False))


NETS: dict[str, Callable[[Any], Any]] = {
    "residual": _residual,
    "preactivated": _preactivated,
    "squeezed": _squeezed,
    "of_operations": _of_operations,
    "transferred": _transferred,
}
BLOCKS = {
    "residual": ["b1_out", "b3_out"],
    "preactivated": ["b1_out", "b2_out"],
    "squeezed": ["b1_add", "b2_add"],
    "of_operations": ["block_1", "block_2"],
    "transferred": ["b1_out"],
}


def own_net(kind: str = "residual", dtype: str = "float32") -> keras.Model:
    """Returns a classifier, its weights seeded, statistics of batch normalisation among them."""
    keras.utils.set_random_seed(3)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        image = keras.Input(SHAPE, name="image")
        model = keras.Model(image, NETS[kind](image), name=kind)
    finally:
        keras.config.set_dtype_policy(before)
    vary(model)
    return model


def vary(model: keras.Model) -> None:
    """Draws weights that start alike, so that none of them could be mixed up."""
    rng = np.random.default_rng(5)
    for weight in _weights(model):
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "bias", "moving_mean"):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    # Bytes make large features: no answer should be certain.
    kernel = model.get_layer("predictions").kernel
    kernel.assign(0.02 * kernel)


def _weights(model: keras.Model) -> Iterator[Any]:
    return (weight for weight in model.weights if weight.dtype == "float32")


def images(count: int = COUNT, high: float = 255.0) -> np.ndarray:
    """Returns images of unlike brightness, from 0 to `high`."""
    rng = np.random.default_rng(7)
    return (high * rng.uniform(size=(count, *SHAPE)) * rng.uniform(0.2, 1, (count, 1, 1, 1))).astype("float32")


def draw_scores(model: keras.Model) -> None:
    """Gives routers the scores of trained ones: they differ between images."""
    rng = np.random.default_rng(11)
    for layer in model.layers:
        if hasattr(layer, "scores_layer"):
            layer.scores_layer.kernel.assign(rng.normal(0, 1, layer.scores_layer.kernel.shape))
