"""The pieces that builders put together.

A builder holds its parallel paths as a plain list of tensors and names layers `path_{p}_{what}`, or `{what}` alone
where there is one path.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.validation import one_of

MOMENTUM, EPSILON = 0.9, 1e-5


def scaled(width: int, multiplier: float) -> int:
    """Returns a width scaled and rounded, at least one."""
    return max(1, round(width * multiplier))


def image_input(input_shape: tuple[int, int, int], standardize: Any) -> tuple[Any, Any]:
    """Returns the image input and the tensor that the first layer reads.

    Args:
        input_shape: Tuple `(height, width, channels)`.
        standardize: `None`, or a pair of means and deviations per channel of images in [0, 1].
    """
    image = keras.Input(input_shape, name="image")
    if standardize is None:
        return image, image
    means, deviations = standardize
    variances = [deviation**2 for deviation in deviations]
    return image, keras.layers.Normalization(mean=list(means), variance=variances, name="standardize")(image)


def path_prefix(path: int, paths: int) -> str:
    """Returns the prefix of layer names on a path counted from 1: empty where it is the only one."""
    return f"path_{path}_" if paths > 1 else ""


def normalize(x: Any, name: str) -> Any:
    """Applies batch normalisation with the zoo's momentum and epsilon."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn")(x)


def conv(
    x: Any, filters: int, name: str, *, kernel: int = 3, strides: int = 1, use_bias: bool = True, relu: bool = True
) -> Any:
    """Convolution, batch normalisation and, unless `relu` is false, ReLU."""
    x = keras.layers.Conv2D(
        filters, kernel, strides, "same", use_bias=use_bias, kernel_initializer="he_normal", name=name
    )(x)
    x = normalize(x, name)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def dense(x: Any, units: int, name: str) -> Any:
    """Dense layer, batch normalisation, ReLU."""
    x = keras.layers.Dense(units, kernel_initializer="he_normal", name=name)(x)
    return keras.layers.ReLU(name=f"{name}_relu")(normalize(x, name))


def connect(tensors: Sequence[Any], paths: int, route: int, hidden: int) -> list[Any]:
    """Puts a cross-connection between parallel tensors; its gates stay in the graph as a decision."""
    layer = layers.CrossConnection(paths, hidden, name=f"route_{route}")
    return layer(list(tensors), return_gates=True)[0]


def predict(tensors: Sequence[Any], paths: int, route: int, hidden: int, **arguments: Any) -> list[Any]:
    """Puts a cross-prediction between parallel tensors; its gates stay in the graph as a decision."""
    layer = layers.CrossPrediction(
        paths, hidden=hidden, momentum=MOMENTUM, epsilon=EPSILON, name=f"route_{route}", **arguments
    )
    return layer(list(tensors), return_gates=True)[0]


def features(tensors: Sequence[Any], pooling: str | None) -> Any:
    """Returns the paths' maps side by side along channels, pooled as in `keras.applications`."""
    x = keras.layers.Concatenate(name="features")(list(tensors)) if len(tensors) > 1 else tensors[0]
    if pooling is None:
        return x
    pool = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}[pooling]
    return pool(name="pooled_features")(x)


def pool_each(tensors: Sequence[Any]) -> list[Any]:
    """Averages each path's maps over their positions."""
    paths = len(tensors)
    return [
        keras.layers.GlobalAveragePooling2D(name=f"{path_prefix(path, paths)}pool")(x)
        for path, x in enumerate(tensors, 1)
    ]


def classify(tensors: Sequence[Any], classes: int, activation: str | None, average: str = "logits") -> Any:
    """Gives each path a dense head and averages the heads.

    Args:
        tensors: One vector `(batch, units)` per path.
        classes: Integer, number of classes.
        activation: Activation of the prediction.
        average: `"logits"` averages before the activation, `"probs"` after it.
    """
    one_of("average", average, ("logits", "probs"))
    # Predictions are at least float32 under mixed precision, and float64 where everything is.
    dtype = keras.config.dtype_policy().variable_dtype
    paths = len(tensors)
    logits = [keras.layers.Dense(classes, name=f"{path_prefix(p, paths)}head")(x) for p, x in enumerate(tensors, 1)]
    if average == "logits" or paths == 1:
        merge = keras.layers.Average if paths > 1 else keras.layers.Identity
        merged = merge(name="logits", dtype=dtype)(logits if paths > 1 else logits[0])
        return keras.layers.Activation(activation, name="probabilities", dtype=dtype)(merged)
    answers = [
        keras.layers.Activation(activation, name=f"path_{p}_probabilities", dtype=dtype)(each)
        for p, each in enumerate(logits, 1)
    ]
    return keras.layers.Average(name="probabilities", dtype=dtype)(answers)


def routed_model(image: Any, outputs: Any, name: str) -> RoutedModel:
    """Returns the finished model."""
    return RoutedModel(image, outputs, name=name)
