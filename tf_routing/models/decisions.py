"""Finds the decisions in a functional graph.

Decisions are ordinary tensors: outputs of layers that route. A layer that routes has a method `decision`, which picks
the decision among the layer's outputs.
"""

from typing import Any

import keras

from tf_routing.core.protocols import Decides, ShowsOutputs


def decision_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns the decision tensors of a functional model by layer name, in order of depth."""
    layers: list[Any] = [operation for operation in model.operations if isinstance(operation, Decides)]
    decisions = {layer.name: layer.decision(keras.tree.flatten(layer.output)) for layer in layers}
    return {name: decision for name, decision in decisions.items() if decision is not None}


def observed_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns what layers show besides their decisions, as `{layer}_{what}`; objectives may read it."""
    layers: list[Any] = [operation for operation in model.operations if isinstance(operation, ShowsOutputs)]
    return {
        f"{layer.name}_{what}": tensor
        for layer in layers
        for what, tensor in layer.observed(keras.tree.flatten(layer.output)).items()
    }


def output_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns what an objective may read.

    These are `probabilities`, `logits` where the model has them, other inputs than the image by name, decisions, and
    outputs that layers show besides.
    """
    tensors = {"probabilities": model.outputs[0]}
    if any(operation.name == "logits" for operation in model.operations):
        tensors["logits"] = model.get_layer("logits").output
    if isinstance(model.input, dict):
        tensors |= {name: tensor for name, tensor in model.input.items() if name != "image"}
    return {**tensors, **decision_tensors(model), **observed_tensors(model)}
