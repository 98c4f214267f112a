"""The calls of layers that make up a model."""

from typing import Any

import keras


def layer_calls(model: keras.Model) -> list[Any]:
    """Returns the nodes of a functional or `Sequential` model in order of depth, one per call of a layer.

    Example:

    >>> image = keras.Input((4,), name="image")
    >>> shared = keras.layers.Dense(4, name="shared")
    >>> [call.operation.name for call in layer_calls(keras.Model(image, shared(shared(image))))]
    ['image', 'shared', 'shared']
    """
    # A Sequential hides its graph; a functional model over the same tensors shows it.
    graph = keras.Model(model.inputs, model.outputs) if isinstance(model, keras.Sequential) else model
    # Not the operations, which Keras lists publicly: a layer that is called twice runs twice.
    by_depth = graph._nodes_by_depth
    return [call for depth in sorted(by_depth, reverse=True) for call in by_depth[depth]]
