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


def state_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns the states that deciding layers pass on, as `{layer}_state`; objectives may supervise them."""
    return {
        f"{operation.name}_state": operation.state(keras.tree.flatten(operation.output))
        for operation in model.operations
        if hasattr(operation, "decision") and hasattr(operation, "state")
    }


def output_tensors(model: keras.Model) -> dict[str, Any]:
    """Returns what an objective may read: `probabilities`, `logits` where the model has them, decisions and states."""
    tensors = {"probabilities": model.outputs[0]}
    if any(operation.name == "logits" for operation in model.operations):
        tensors["logits"] = model.get_layer("logits").output
    return {**tensors, **decision_tensors(model), **state_tensors(model)}
