"""The cost model: multiply-accumulates of a graph of layers.

A MAC is one multiply-accumulate of a convolution or dense kernel, those of gates, controllers and routers included.
Normalisation, activations, pooling, resizing and weighted sums count nothing.
"""

from collections.abc import Iterator
from functools import singledispatch
from math import prod
from typing import Any, NamedTuple

import keras


class LayerCost(NamedTuple):
    """One call of a layer: its name, output shape, trainable parameters and MACs per sample.

    Example:

    >>> LayerCost("conv", (None, 8, 8, 4), 112, 6912).macs
    6912
    """

    layer: str
    output_shape: Any
    parameters: int
    macs: int


@singledispatch
def layer_macs(layer: Any, input_shape: Any, output_shape: Any) -> int:
    """Returns the MACs per sample of one layer applied to one input shape (batch included).

    Layers of this library say it themselves (`macs`); layers with no kernel count nothing.

    Args:
        layer: A Keras layer or operation.
        input_shape: Shape of its input, or a list of shapes, batch included.
        output_shape: Shape of its output, batch included.

    Returns:
        Integer, multiply-accumulates per sample.

    Raises:
        ValueError: If the layer has kernels and does not say what they cost: a guess of zero would be a lie.

    Example:

    >>> layer_macs(keras.layers.Dense(4), (None, 8), (None, 4))
    32
    """
    if hasattr(layer, "macs"):
        return layer.macs(input_shape)
    kernels = [weight for weight in getattr(layer, "weights", []) if "kernel" in weight.name]
    if kernels:
        raise ValueError(
            f"No cost is known for layer {layer.name!r} of type {type(layer).__name__}: give it a method "
            "`macs(input_shape)` that returns its multiply-accumulates per sample."
        )
    return 0


@layer_macs.register
def _convolution(layer: keras.layers.Conv2D, input_shape: Any, output_shape: Any) -> int:
    positions = prod(output_shape[1:3] if layer.data_format == "channels_last" else output_shape[2:4])
    channels = input_shape[-1 if layer.data_format == "channels_last" else 1]
    return positions * layer.filters * prod(layer.kernel_size) * channels // layer.groups


@layer_macs.register
def _depthwise(layer: keras.layers.DepthwiseConv2D, input_shape: Any, output_shape: Any) -> int:
    return prod(output_shape[1:]) * prod(layer.kernel_size)


@layer_macs.register
def _dense(layer: keras.layers.Dense, input_shape: Any, output_shape: Any) -> int:
    return prod(output_shape[1:]) * input_shape[-1]


def layer_costs(model: keras.Model) -> Iterator[LayerCost]:
    """Yields one `LayerCost` per call of a layer in a functional model, in order of depth, nested models unfolded.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Yields:
        `LayerCost` rows.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> from tf_routing import zoo
    >>> sum(row.macs for row in layer_costs(zoo.get("basecnn")))
    38896960
    """
    _check_fixed(model)
    for node in _calls(model):
        operation = node.operation
        if isinstance(operation, keras.Model):
            yield from layer_costs(operation)
            continue
        input_shape, output_shape = _shapes(node.input_tensors), _shapes(node.output_tensors)
        parameters = sum(prod(weight.shape) for weight in getattr(operation, "trainable_weights", []))
        macs = layer_macs(operation, input_shape, output_shape)
        yield LayerCost(operation.name, output_shape, parameters, macs)


def _calls(model: keras.Model) -> list[Any]:
    # A Sequential hides its graph; a functional model over the same tensors shows it.
    graph = keras.Model(model.inputs, model.outputs) if isinstance(model, keras.Sequential) else model
    # Not the operations, which Keras lists publicly: a layer that is called twice runs twice.
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _shapes(tensors: Any) -> Any:
    shapes = [tensor.shape for tensor in keras.tree.flatten(tensors)]
    return shapes[0] if len(shapes) == 1 else shapes


def _check_fixed(model: keras.Model) -> None:
    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ValueError(
                f"The cost of {model.name!r} depends on its input size: build it with a fixed `input_shape`. "
                f"Received: {tensor.shape[1:]}"
            )


def static_macs(model: keras.Model) -> int:
    """Returns the MACs per sample of a functional model with every layer run.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Returns:
        Integer, multiply-accumulates per sample.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> inputs = keras.Input((8, 8, 3))
    >>> static_macs(keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs)))
    6912
    """
    return sum(row.macs for row in layer_costs(model))
