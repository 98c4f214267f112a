"""The pieces that builders put together.

A builder holds its parallel paths as a plain list of tensors and names layers `path_{p}_{what}`, or `{what}` alone
where there is one path.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.support.validation import one_of

MOMENTUM, EPSILON = 0.9, 1e-5


def scaled(width: int, multiplier: float, multiple: int = 1) -> int:
    """Returns a width scaled and rounded to a multiple, at least one of them."""
    return multiple * max(1, round(width * multiplier / multiple))


def image_input(input_shape: tuple[int, int, int], standardize: Any) -> tuple[Any, Any]:
    """Returns the image input and the tensor that the first layer reads.

    Args:
        input_shape: Tuple `(height, width, channels)`.
        standardize: `None`, or a pair of means and deviations per channel of images in [0, 1].
    """
    image = keras.Input(input_shape, name="image")
    if standardize is None:
        return image, image
    return image, standardized(image, standardize)


def standardized(x: Any, statistics: tuple[Sequence[float], Sequence[float]]) -> Any:
    """Subtracts means and divides by deviations, given per channel."""
    means, deviations = statistics
    variances = [deviation**2 for deviation in deviations]
    return keras.layers.Normalization(mean=list(means), variance=variances, name="standardize")(x)


def path_prefix(path: int, paths: int) -> str:
    """Returns the prefix of layer names on a path counted from 1: empty where it is the only one."""
    return f"path_{path}_" if paths > 1 else ""


def normalize(x: Any, name: str) -> Any:
    """Applies batch normalisation with the zoo's momentum and epsilon."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_bn")(x)


def conv(
    x: Any,
    filters: int,
    name: str,
    *,
    kernel: int = 3,
    strides: int = 1,
    groups: int = 1,
    use_bias: bool = True,
    relu: bool = True,
) -> Any:
    """Convolution, in groups or whole, batch normalisation and, unless `relu` is false, ReLU."""
    convolution = layers.GroupedConv2D if groups > 1 else keras.layers.Conv2D
    arguments = {"groups": groups, "use_bias": use_bias, "kernel_initializer": "he_normal", "name": name}
    x = normalize(convolution(filters, kernel, strides, "same", **arguments)(x), name)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def imagenet_stem(x: Any, filters: int, pad_pool: bool = False) -> Any:
    """7x7 convolution of stride 2 and 3x3 max-pool of stride 2: a quarter of the input's size."""
    # Explicit padding: 'same' pads an even image on one side only, and trained weights of others expect both.
    x = keras.layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = keras.layers.Conv2D(filters, 7, 2, use_bias=False, kernel_initializer="he_normal", name="stem")(x)
    return _stem_pool(keras.layers.ReLU(name="stem_relu")(normalize(x, "stem")), pad_pool)


def cifar_stem(x: Any, filters: int, pad_pool: bool = False) -> Any:
    """3x3 convolution of stride 1 and 3x3 max-pool of stride 2: half of the input's size."""
    return _stem_pool(conv(x, filters, "stem", use_bias=False), pad_pool)


def _stem_pool(x: Any, pad: bool) -> Any:
    if not pad:
        return keras.layers.MaxPooling2D(3, 2, "same", name="stem_pool")(x)
    # Both sides, as trained weights of others expect it. Behind a ReLU zeros are never the greatest.
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)


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


def finished_model(
    image: Any,
    tensors: Sequence[Any],
    include_top: bool,
    pooling: str | None,
    classes: int,
    activation: str | None,
    name: str,
    average: str = "logits",
) -> RoutedModel:
    """Ends the paths of a net in heads, or in features, and returns the model; arguments as for `zoo.get`."""
    if not include_top:
        return routed_model(image, features(tensors, pooling), name)
    return routed_model(image, classify(pool_each(tensors), classes, activation, average), name)
