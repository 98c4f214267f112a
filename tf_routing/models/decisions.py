"""Finds the decisions in a functional graph.

Decisions are ordinary tensors: outputs of layers that route. A layer that routes has a method `decision`, which picks
the decision among the layer's outputs.
"""

from typing import Any

import keras

from tf_routing import exit_tree
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


def gates_before(model: keras.Model) -> dict[str, tuple[str, int]]:
    """Returns the junction behind which a router lies, and the sink, by name of the router; not those before the first.

    Args:
        model: A model; those that do not leave early, or skip nothing between exits, have none.
    """
    tree = exit_tree.find_tree(model)
    if tree is None:
        return {}
    gates, junctions = exit_tree.gates_by_layer(tree), exit_tree.junctions(tree)
    return {name: gates[name] for name in decision_tensors(model) if name in gates and name not in junctions}


def routers_between(model: keras.Model) -> list[str]:
    """Returns the names of the routers of a model that leaves early which are no junctions."""
    tree = exit_tree.find_tree(model)
    return [] if tree is None else [name for name in decision_tensors(model) if name not in exit_tree.junctions(tree)]


def with_reach(model: keras.Model, decisions: dict[str, Any]) -> dict[str, Any]:
    """Returns decisions, those behind a junction as 0 for images that do not come there.

    The graph computes them for all images; a junction's own decisions know who comes.

    Args:
        model: The model.
        decisions: Arrays or tensors `(batch, choices)` by name.
    """
    return exit_tree.decisions_reached(decisions, gates_before(model))
