"""Writes functional models call by call, those inside others too, and notes what they decide."""

from functools import partial
from typing import Any

import keras

from tf_routing.core.graph import run_calls, run_function
from tf_routing.core.protocols import Decides
from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.layers import write_layer
from tf_routing.layers import Controller, SkipRouter
from tf_routing.layers.blocks.switched_block import SwitchedBlock

# They know switches that are booleans, maps that stand for vectors and rows in another order; all others are handed
# numbers.
_READ_ANY_FORM = (
    keras.Model,
    keras.layers.Dense,
    keras.layers.GlobalAveragePooling2D,
    Controller,
    SkipRouter,
    SwitchedBlock,
)


def write_model(model: keras.Model, graph: Graph, inputs: Any) -> Any:
    """Adds the nodes of a functional model, and returns its outputs.

    Args:
        model: The model.
        graph: The graph, which is told the model's decisions.
        inputs: What it reads, `Value`s in the structure of its inputs.
    """
    return run_calls(model, inputs, partial(write_call, graph))


def write_function(function: Any, graph: Graph, *inputs: Value) -> list[Value]:
    """Adds the nodes of a part of a model, a `keras.Function`, and returns its outputs."""
    return run_function(function, inputs, partial(write_call, graph))


def write_call(graph: Graph, layer: Any, *args: Any, **arguments: Any) -> Any:
    """Adds the nodes of one call of a layer, notes what it decides, and returns its outputs."""
    check_precision(layer)
    # Whatever the network says: Keras's `predict` overrides it too, and a file is of inference.
    arguments.pop("training", None)
    given = {name: each for name, each in arguments.items() if each is not None}
    with graph.inside(layer.name):
        if not isinstance(layer, _READ_ANY_FORM):
            args = keras.tree.map_structure(graph.plain, args)
        outputs = write_layer(layer, graph, *args, **given)
    decision = layer.decision(keras.tree.flatten(outputs)) if isinstance(layer, Decides) else None
    if decision is not None:
        graph.decide(layer.name, decision)
    return outputs


@write_layer.register
def _model(layer: keras.Model, graph: Graph, inputs: Any) -> Any:
    return write_model(layer, graph, inputs)


def check_precision(layer: Any) -> None:
    """Raises a `ValueError` if a layer computes in another precision than files that skip do."""
    dtype = getattr(layer, "compute_dtype", "float32")
    if dtype != "float32":
        raise ValueError(
            f"layer {layer.name!r} computes in {dtype}, and files that skip compute in float32: give the weights to "
            "the same network built in float32, `other.set_weights(model.get_weights())`, or export with "
            'execution="masked".'
        )
