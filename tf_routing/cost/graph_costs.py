"""Costs of the layers of a graph, one row per call, with the switch that decides whether the call runs."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import keras

from tf_routing import exit_tree
from tf_routing.core.graph import layer_calls
from tf_routing.core.model_arguments import require_graph_model
from tf_routing.core.protocols import Decides, HasSubBlocks
from tf_routing.cost.layer_rules import layer_macs


class Gated(NamedTuple):
    """The switch with which a layer runs.

    Args:
        decision: Name of the decision.
        choice: Integer, index of one of its choices.

    Example:

    >>> str(Gated("controller_1", 0))
    'controller_1[0]'
    """

    decision: str
    choice: int

    def __str__(self) -> str:
        return f"{self.decision}[{self.choice}]"


class LayerCost(NamedTuple):
    """The cost of one call of a layer.

    Args:
        layer: Name of the layer, behind those of the models that it is inside of.
        output_shape: Shape of its output, or a list of shapes, batch included.
        parameters: Integer, trainable parameters.
        macs: Integer, multiply-accumulates per sample.
        gate: The switch with which it runs, `None` where it runs for every sample.

    Example:

    >>> LayerCost("conv", (None, 8, 8, 4), 112, 6912).macs
    6912
    """

    layer: str
    output_shape: Any
    parameters: int
    macs: int
    gate: Gated | None = None


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
    tree = exit_tree.find_tree(model)
    gates = {} if tree is None else exit_tree.gates_by_layer(tree)
    behind = {layer: Gated(*gate) for layer, gate in gates.items()}
    # The layers that decide, by the tensor that is their decision.
    deciders: dict[Any, str] = {}
    for call in layer_calls(model):
        layer = call.operation
        if isinstance(layer, Decides):
            deciders[layer.decision(call.output_tensors)] = call.operation.name
        if isinstance(layer, keras.Model):
            for row in layer_costs(layer):
                yield row._replace(layer=f"{layer.name}/{row.layer}", gate=_gate_inside(layer, row.gate))
        elif isinstance(layer, HasSubBlocks):
            yield from _block_costs(call, deciders)
        else:
            yield _cost_of_call(call, behind.get(call.operation.name))


def _gate_inside(owner: keras.layers.Layer, gate: Gated | None) -> Gated | None:
    # Named as `Ensemble.routes` names the decisions of its members.
    return None if gate is None else Gated(f"{owner.name}/{gate.decision}", gate.choice)


def _block_costs(call: Any, deciders: Mapping[Any, str]) -> Iterator[LayerCost]:
    """Yields the costs of the models inside a block: the shortcut always runs, sub-blocks wait for their switches."""
    block, switches = call.operation, call.input_tensors[1]
    if switches not in deciders:
        raise ValueError(f"The switches of {block.name!r} must come from a router. Received: none that decides")
    gated = [(part, Gated(deciders[switches], number)) for number, part in enumerate(block.sub_blocks)]
    shortcut = [(block.shortcut, None)] if isinstance(block.shortcut, keras.Model) else []
    for part, gate in [*shortcut, *gated]:
        for row in layer_costs(part):
            yield row._replace(
                layer=f"{block.name}/{part.name}/{row.layer}", gate=gate or _gate_inside(block, row.gate)
            )


def _cost_of_call(call: Any, gate: Gated | None) -> LayerCost:
    layer = call.operation
    input_shape, output_shape = _shapes(call.input_tensors), _shapes(call.output_tensors)
    parameters = sum(prod(weight.shape) for weight in getattr(layer, "trainable_weights", []))
    return LayerCost(layer.name, output_shape, parameters, layer_macs(layer, input_shape, output_shape), gate)


def _shapes(tensors: Any) -> Any:
    shapes = [tensor.shape for tensor in keras.tree.flatten(tensors)]
    return shapes[0] if len(shapes) == 1 else shapes


def _check_fixed(model: keras.Model) -> None:
    require_graph_model(model)
    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ValueError(
                f"The cost of {model.name!r} depends on its input size: build it with a fixed `input_shape`. "
                f"Received: {tensor.shape[1:]}"
            )
