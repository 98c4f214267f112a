"""Finds the decisions in a functional graph.

Decisions are ordinary tensors: outputs of layers that route. A layer that routes has a method `decision`, which picks
the decision among the layer's outputs.
"""

from typing import Any

import keras


def decision_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns the decision tensors of a functional model by layer name, in order of depth."""
    tensors = {}
    for operation in model.operations:
        if hasattr(operation, "decision"):
            decision = operation.decision(keras.tree.flatten(operation.output))
            if decision is not None:
                tensors[operation.name] = decision
    return tensors


def observed_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns what layers show beside their decisions, as `{layer}_{what}`; objectives may read it."""
    return {
        f"{operation.name}_{what}": tensor
        for operation in model.operations
        if hasattr(operation, "observed")
        for what, tensor in operation.observed(keras.tree.flatten(operation.output)).items()
    }


def output_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns what an objective may read.

    These are `probabilities`, `logits` where the model has them, inputs beside the image by name, decisions, and what
    layers show beside those.
    """
    tensors = {"probabilities": model.outputs[0]}
    if any(operation.name == "logits" for operation in model.operations):
        tensors["logits"] = model.get_layer("logits").output
    if isinstance(model.input, dict):
        tensors |= {name: tensor for name, tensor in model.input.items() if name != "image"}
    return {**tensors, **decision_tensors(model), **observed_tensors(model)}
