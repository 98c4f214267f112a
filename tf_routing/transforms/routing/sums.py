"""What counts as a sum of two tensors, and as an activation behind it, among layers and operations of Keras."""

from collections.abc import Sequence
from typing import Any

import keras

from tf_routing.core.graph import operation_class
from tf_routing.transforms.routing.flat_calls import FlatCall

_IDEMPOTENT = ("relu", "relu6")


_ADD = operation_class(lambda x: x + x)
_RELUS = {operation_class(keras.ops.relu): "relu", operation_class(keras.ops.relu6): "relu6"}


def summands(call: FlatCall) -> Sequence[tuple[Any, float]] | None:
    """Returns the tensors that a call adds, each with its factor, `None` where it adds none.

    Args:
        call: The call.
    """
    layer = call.operation
    if type(layer) is keras.layers.Add:
        return [(tensor, 1.0) for tensor in call.inputs]
    if type(layer) is _ADD:
        # Of `x + 1` and `x + x` there is one tensor.
        return [(tensor, 1.0) for tensor in call.inputs] if len(set(call.inputs)) > 1 else None
    if _is_scaled_sum(layer):
        first, second = call.inputs
        return [(first, 1.0), (second, float(layer.scale))]
    return None


def _is_scaled_sum(layer: Any) -> bool:
    # The residual sum of InceptionResNetV2, a layer of a class of its own.
    kind = type(layer)
    return kind.__module__ == "keras.src.applications.inception_resnet_v2" and kind.__name__ == "CustomScaleLayer"


def activation_of(call: FlatCall) -> str | None:
    """Returns the name of the activation that a call is, where it is one that changes nothing when applied again.

    Args:
        call: The call.
    """
    layer = call.operation
    if type(layer) in _RELUS:
        return _RELUS[type(layer)]
    if type(layer) is keras.layers.ReLU and not layer.negative_slope and not layer.threshold:
        return {None: "relu", 6.0: "relu6"}.get(layer.max_value)
    if type(layer) is keras.layers.Activation:
        name = getattr(layer.activation, "__name__", None)
        return name if name in _IDEMPOTENT and layer.activation is keras.activations.get(name) else None
    return None


def activation_left_by(call: FlatCall) -> str | None:
    """Returns the activation whose output a call gives: its own, or that inside of a convolution.

    Args:
        call: The call.
    """
    name = getattr(getattr(call.operation, "activation", None), "__name__", None)
    return activation_of(call) or (name if name in _IDEMPOTENT else None)
