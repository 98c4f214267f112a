"""The calls of layers that make up a model."""

from typing import Any

import keras

from tf_routing.core.model_arguments import graph_model


def layer_calls(model: keras.Model) -> list[Any]:
    """Returns the nodes of a functional or `Sequential` model in order of depth, one per call of a layer.

    Example:

    >>> image = keras.Input((4,), name="image")
    >>> shared = keras.layers.Dense(4, name="shared")
    >>> [call.operation.name for call in layer_calls(keras.Model(image, shared(shared(image))))]
    ['image', 'shared', 'shared']
    """
    graph_model(model)
    # A Sequential hides its graph; a functional model over the same tensors shows it.
    graph = keras.Model(model.inputs, model.outputs) if isinstance(model, keras.Sequential) else model
    # Not the operations, which Keras lists publicly: a layer that is called twice runs twice.
    by_depth = graph._nodes_by_depth
    return [call for depth in sorted(by_depth, reverse=True) for call in by_depth[depth]]


def deciding_layers(model: keras.Model) -> list[Any]:
    """Returns the layers of a functional model that do nothing but decide, in order of depth.

    These are routers with thresholds, and layers whose outputs only such layers read.

    Example:

    >>> from tf_routing import zoo
    >>> net = zoo.get("drn_resnet32", router="recurrent", width_multiplier=0.25)
    >>> [layer.name for layer in deciding_layers(net)][:4]
    ['router_1_means', 'router_1_features', 'router_memory', 'router_1']
    """
    calls = layer_calls(model)
    readers: dict[int, list[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(id(tensor), []).append(call.operation)
    deciding: dict[Any, bool] = {}
    for call in reversed(calls):
        own = [reader for tensor in call.output_tensors for reader in readers.get(id(tensor), [])]
        # A layer that is called several times, along the depth, reads itself.
        others = [reader for reader in own if reader is not call.operation]
        decides = bool(own) and all(deciding[reader] for reader in others)
        deciding[call.operation] = hasattr(call.operation, "shift_thresholds") or (
            decides and deciding.get(call.operation, True)
        )
    return [operation for operation in dict.fromkeys(call.operation for call in calls) if deciding[operation]]
