"""The last layers of a network: pooling and a dense head for each path, or feature maps where no top is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.models import RoutedModel
from tf_routing.zoo.builders.parts.paths import path_prefix


@dataclass(frozen=True)
class Head:
    """How a network ends; the arguments have the meaning that they have in `keras.applications`.

    Args:
        classes: Integer, number of classes.
        include_top: Boolean, whether the network classifies. `False` ends it before the final dense layers.
        pooling: With `include_top=False`, `None` for feature maps, `"avg"` or `"max"` for vectors.
        classifier_activation: Activation of the prediction; `None` returns logits.
    """

    classes: int
    include_top: bool = True
    pooling: str | None = None
    classifier_activation: str | None = "softmax"


def finish_model(image: Any, tensors: Sequence[Any], head: Head, name: str, average: str = "logits") -> RoutedModel:
    """Ends paths of feature maps in heads, or in features, and returns the model.

    Args:
        image: The network's input.
        tensors: Maps `(B, H, W, C)`, one tensor per path.
        head: How the network ends.
        name: Name of the model.
        average: See `classify`.
    """
    if not head.include_top:
        return RoutedModel(image, join_features(tensors, head), name=name)
    return RoutedModel(image, classify(pool_paths(tensors), head, average), name=name)


def join_features(tensors: Sequence[Any], head: Head) -> Any:
    """Returns the paths' maps side by side along channels, pooled as the head asks for."""
    x = keras.layers.Concatenate(name="features")(list(tensors)) if len(tensors) > 1 else tensors[0]
    if head.pooling is None:
        return x
    pool = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}[head.pooling]
    return pool(name="pooled_features")(x)


def pool_paths(tensors: Sequence[Any]) -> list[Any]:
    """Averages the maps of every path over their positions."""
    paths = len(tensors)
    return [
        keras.layers.GlobalAveragePooling2D(name=f"{path_prefix(path, paths)}pool")(x)
        for path, x in enumerate(tensors, 1)
    ]


def classify(tensors: Sequence[Any], head: Head, average: str = "logits") -> Any:
    """Gives every path a dense layer and averages what these predict.

    Args:
        tensors: One vector `(B, C)` per path.
        head: How the network ends.
        average: `"logits"` averages before the activation, `"probs"` after it.
    """
    # Predictions are at least float32 under mixed precision, and float64 where everything is.
    dtype, activation = keras.config.dtype_policy().variable_dtype, head.classifier_activation
    paths = len(tensors)
    logits = [
        keras.layers.Dense(head.classes, name=f"{path_prefix(path, paths)}head")(x) for path, x in enumerate(tensors, 1)
    ]
    if average == "logits" or paths == 1:
        merge = keras.layers.Average if paths > 1 else keras.layers.Identity
        merged = merge(name="logits", dtype=dtype)(logits if paths > 1 else logits[0])
        return keras.layers.Activation(activation, name="probabilities", dtype=dtype)(merged)
    probabilities = [
        keras.layers.Activation(activation, name=f"path_{path}_probabilities", dtype=dtype)(x)
        for path, x in enumerate(logits, 1)
    ]
    return keras.layers.Average(name="probabilities", dtype=dtype)(probabilities)
