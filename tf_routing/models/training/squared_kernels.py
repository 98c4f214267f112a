"""Sums of squared kernels by layer, for objectives that keep kernels small."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from tf_routing.core.kernels import is_kernel
from tf_routing.models.layer_paths import layer_at


def squared_kernels(model: keras.Model, layers: Iterable[str]) -> dict[str, Any]:
    """Returns the sum of all squared numbers in each layer's kernels, recurrent ones too, as `{layer}_squares`.

    Layers of models inside are named as by `layer_at`.

    Example:

    >>> inputs = keras.Input((2,))
    >>> dense = keras.layers.Dense(3, kernel_initializer="ones", bias_initializer="ones", name="dense")
    >>> float(squared_kernels(keras.Model(inputs, dense(inputs)), ["dense"])["dense_squares"])
    6.0
    """
    return {f"{name}_squares": sum(map(_square, _kernels(layer_at(model, name)))) for name in layers}


def _kernels(layer: Any) -> list[Any]:
    return [weight for weight in layer.trainable_weights if is_kernel(weight.name)]


def _square(kernel: Any) -> Any:
    return ops.sum(ops.square(ops.convert_to_tensor(kernel)))
