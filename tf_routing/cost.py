"""The cost model: multiply-accumulates of a graph of layers.

A MAC is one multiply-accumulate of a convolution or dense kernel, those of gates, controllers and routers included.
Normalisation, activations, pooling, resizing and weighted sums count nothing. *Executed* cost comes from decisions,
per sample; *expected* cost from probabilities or rates, differentiable, for losses.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import singledispatch
from math import prod
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing import exit_tree
from tf_routing.core import graph
from tf_routing.core.model_arguments import graph_model


class Gated(NamedTuple):
    """The switch that a layer waits for: the name of a decision, and the index of one of its choices.

    Example:

    >>> str(Gated("controller_1", 0))
    'controller_1[0]'
    """

    decision: str
    choice: int

    def __str__(self) -> str:
        return f"{self.decision}[{self.choice}]"


class LayerCost(NamedTuple):
    """One call of a layer: its name, output shape, trainable parameters, MACs per sample, and what it waits for.

    `gate` is `None` where the layer runs for every sample.

    Example:

    >>> LayerCost("conv", (None, 8, 8, 4), 112, 6912).macs
    6912
    """

    layer: str
    output_shape: Any
    parameters: int
    macs: int
    gate: Gated | None = None


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
    decisions: dict[int, str] = {}
    behind = {layer: Gated(*gate) for tree in _trees(model) for layer, gate in exit_tree.waits(tree).items()}
    for node in graph.layer_calls(model):
        operation = node.operation
        if hasattr(operation, "decision"):
            decisions[id(operation.decision(node.output_tensors))] = operation.name
        for part, gate in _parts(node, decisions):
            prefix = f"{operation.name}/" if part is operation else f"{operation.name}/{part.name}/"
            for row in layer_costs(part):
                yield row._replace(layer=prefix + row.layer, gate=gate or _inside(operation, row.gate))
        if not _is_nested(operation):
            yield _layer_cost(node)._replace(gate=behind.get(operation.name))


def _trees(model: Any) -> list[exit_tree.Stage]:
    """The tree of a model that leaves early, in a list that is empty for others."""
    return [call.operation.tree for call in graph.layer_calls(model) if hasattr(call.operation, "tree")]


def _inside(model: Any, gate: Gated | None) -> Gated | None:
    """The gate of a layer inside a model: its decision is named as `Ensemble.routes` names it."""
    return None if gate is None else Gated(f"{model.name}/{gate.decision}", gate.choice)


def _is_split(operation: Any) -> bool:
    # Asked of the object, not its class: this module knows no layers. Controllers have a number of the same name.
    return isinstance(getattr(operation, "sub_blocks", None), list)


def _is_nested(operation: Any) -> bool:
    return isinstance(operation, keras.Model) or _is_split(operation)


def _parts(node: Any, decisions: dict[int, str]) -> Iterator[tuple[keras.Model, Gated | None]]:
    """Yields the models inside an operation, each with what it waits for."""
    operation = node.operation
    if isinstance(operation, keras.Model):
        yield operation, None
    elif _is_split(operation):
        if isinstance(operation.shortcut, keras.Model):
            yield operation.shortcut, None
        decision = decisions.get(id(node.input_tensors[1]))
        if decision is None:
            raise ValueError(f"The switches of {operation.name!r} must come from a router. Received: none that decides")
        yield from ((part, Gated(decision, n)) for n, part in enumerate(operation.sub_blocks))


def _layer_cost(node: Any) -> LayerCost:
    operation = node.operation
    input_shape, output_shape = _shapes(node.input_tensors), _shapes(node.output_tensors)
    parameters = sum(prod(weight.shape) for weight in getattr(operation, "trainable_weights", []))
    return LayerCost(operation.name, output_shape, parameters, layer_macs(operation, input_shape, output_shape))


def _shapes(tensors: Any) -> Any:
    shapes = [tensor.shape for tensor in keras.tree.flatten(tensors)]
    return shapes[0] if len(shapes) == 1 else shapes


def _check_fixed(model: keras.Model) -> None:
    graph_model(model)
    for tensor in model.inputs:
        if None in tensor.shape[1:]:
            raise ValueError(
                f"The cost of {model.name!r} depends on its input size: build it with a fixed `input_shape`. "
                f"Received: {tensor.shape[1:]}"
            )


def static_macs(model: keras.Model) -> int:
    """Returns the MACs per sample of a functional model with every part run that a sample can run.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Returns:
        Integer, multiply-accumulates per sample. Of a network that leaves early they are those of its most expensive
        route.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> inputs = keras.Input((8, 8, 3))
    >>> static_macs(keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs)))
    6912
    """
    rows = list(layer_costs(model))
    ways = [set(route.layers) for tree in _trees(model) for route in exit_tree.routes(tree)]
    on_some_way = set().union(*ways)
    common = sum(row.macs for row in rows if row.layer not in on_some_way)
    return common + max((sum(row.macs for row in rows if row.layer in way) for way in ways), default=0)


def gated_macs(model: keras.Model) -> tuple[int, dict[str, np.ndarray]]:
    """Returns what every sample costs, and what each choice of each decision adds.

    Args:
        model: A functional Keras model with fixed spatial input sizes.

    Returns:
        Pair of an integer, the MACs per sample that no switch governs, and a dict from decision name to an integer
        array `(choices,)`. Decisions that govern no layer, such as gates of multi-path nets, are not in it.

    Raises:
        ValueError: If an input size is not fixed, or a layer's cost is not known.

    Example:

    >>> from tf_routing import zoo
    >>> fixed, gated = gated_macs(zoo.get("dmnn50_cifar_n2"))
    >>> fixed, len(gated), gated["controller_1"].tolist()
    (31771648, 16, [6439936, 6439936])
    """
    fixed = 0
    gated: dict[str, Counter[int]] = {}
    for row in layer_costs(model):
        if row.gate is None:
            fixed += row.macs
        else:
            gated.setdefault(row.gate.decision, Counter())[row.gate.choice] += row.macs
    return fixed, {
        name: np.array([each[choice] for choice in range(max(each) + 1)], dtype="int64") for name, each in gated.items()
    }


def executed_macs(model: keras.Model, decisions: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Returns the MACs executed for each sample.

    Args:
        model: A functional Keras model with fixed spatial input sizes.
        decisions: 0/1 switches `(count, choices)` by decision name, as `RoutedModel.routes` returns.
        count: Integer, number of samples.

    Returns:
        Integer array `(count,)`. Where decisions are NaN, nothing that they govern is counted.

    Example:

    >>> from tf_routing import zoo
    >>> executed_macs(zoo.get("basecnn"), {}, count=2).tolist()
    [38896960, 38896960]
    """
    fixed, gated = gated_macs(model)
    total = np.full(count, fixed, dtype="int64")
    for name, macs in gated.items():
        # An image that holds NaN has no route: it costs what no switch governs.
        total += np.nan_to_num(np.asarray(decisions[name])).round().astype("int64") @ macs
    return total


def expected_macs(gated: Mapping[str, Any], probabilities: Mapping[str, Any]) -> Any:
    """Returns the MACs that switches with these probabilities add on average, differentiable.

    Args:
        gated: MACs `(choices,)` by decision name; in any unit, since float32 cannot hold billions exactly.
        probabilities: Tensors `(..., choices)` by decision name.

    Returns:
        Tensor `(...)`, in the unit of `gated`.

    Example:

    >>> float(expected_macs({"controller_1": [4.0, 6.0]}, {"controller_1": keras.ops.array([0.5, 1.0])}))
    8.0
    """
    terms = [
        keras.ops.sum(probabilities[name] * keras.ops.cast(macs, probabilities[name].dtype), axis=-1)
        for name, macs in gated.items()
    ]
    return sum(terms[1:], start=terms[0])
