"""Addresses of gates in the notation of the paper, g[l][i,j], and the values of gates by address."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.layers.paths.routing_layer import RoutingLayer
from tf_routing.models import RoutedModel
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.support.validation import unknown

_WRITTEN = re.compile(r"\s*g\s*\[\s*(\d+)\s*\]\s*\[\s*(\d+)\s*,\s*(\d+)\s*\]\s*")


class GateAddress(NamedTuple):
    """The place of a gate, the paper's g^l_ij; written `g[l][i,j]`.

    Args:
        layer: Integer l, the number of the routing layer in order of depth.
        input: Integer i, the number of the tensor that the gate reads.
        output: Integer j, the number of the path that it opens.

    All are counted from 1.

    Example:

    >>> str(GateAddress(layer=2, input=2, output=1))
    'g[2][2,1]'
    """

    layer: int
    input: int
    output: int

    def __str__(self) -> str:
        return f"g[{self.layer}][{self.input},{self.output}]"


def routing_layers(model: RoutedModel) -> list[Any]:
    """Returns the routing layers of a multi-path model; the first is l = 1.

    Args:
        model: A multi-path `RoutedModel`.

    Returns:
        List of layers, in order of depth.

    Raises:
        ValueError: If the model has none.

    Example:

    >>> from tf_routing import zoo
    >>> [layer.name for layer in routing_layers(zoo.get("resnet20_2cp", width_multiplier=0.25))]
    ['route_1', 'route_2', 'route_3']
    """
    layers = [model.get_layer(name) for name in require_routed_model(model).decision_names]
    found = [layer for layer in layers if isinstance(layer, RoutingLayer)]
    if not found:
        raise ValueError(f"{model.name!r} has no routing layer, so it has no gates g[l][i,j].")
    return found


def list_gates(model: RoutedModel) -> list[GateAddress]:
    """Returns the addresses of all gates of a multi-path model.

    Args:
        model: A multi-path `RoutedModel`.

    Returns:
        List of `GateAddress`, in order of depth, input and output.

    Raises:
        ValueError: If the model has no routing layer.

    Example:

    >>> from tf_routing import zoo
    >>> [str(gate) for gate in list_gates(zoo.get("basecnn_2cc", width_multiplier=0.25))[:4]]
    ['g[1][1,1]', 'g[1][1,2]', 'g[2][1,1]', 'g[2][1,2]']
    """
    return [
        GateAddress(number, i, j)
        for number, layer in enumerate(routing_layers(model), 1)
        for i in range(1, len(layer.gates) + 1)
        for j in range(1, layer.paths + 1)
    ]


def find_gate(model: RoutedModel, gate: str | GateAddress) -> GateAddress:
    """Returns the address of a gate that the model has.

    Args:
        model: A multi-path `RoutedModel`.
        gate: A `GateAddress`, or text such as `"g[2][2,1]"`: routing layer, input and output, all counted from 1.

    Returns:
        A `GateAddress`.

    Raises:
        ValueError: If the text is no address, or the model has no such gate; the message says what it has.

    Example:

    >>> from tf_routing import zoo
    >>> find_gate(zoo.get("basecnn_2cc", width_multiplier=0.25), "g[2][2, 1]")
    GateAddress(layer=2, input=2, output=1)

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Eq. 3.
    """
    known = list_gates(model)
    address = gate if isinstance(gate, GateAddress) else _parse(gate, model)
    if address not in known:
        raise ValueError(f"{unknown('gate', str(address), map(str, known))} {_describe_gates(model)}")
    return address


def _parse(text: str, model: RoutedModel) -> GateAddress:
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(
            f"A gate must be written g[l][i,j], for example g[2][2,1]: routing layer 2, from input 2 to output 1, all "
            f"counted from 1. Received: {text!r}. {_describe_gates(model)}"
        )
    return GateAddress(*map(int, written.groups()))


def _describe_gates(model: RoutedModel) -> str:
    sizes = [f"{len(layer.gates)} x {layer.paths}" for layer in routing_layers(model)]
    each = ", ".join(f"g[{number}]: {size}" for number, size in enumerate(sizes, 1))
    return f"{model.name!r} has inputs x outputs {each}."


def gate_values(
    model: RoutedModel, gates: Sequence[str | GateAddress], x: Any, batch_size: int = 32
) -> dict[GateAddress, np.ndarray]:
    """Returns the values of some gates for each image.

    Args:
        model: A multi-path `RoutedModel`.
        gates: The gates, see `find_gate`.
        x: Images `(count, height, width, channels)`, or batches, as for `RoutedModel.routes`.
        batch_size: Integer, images per forward pass.

    Returns:
        Dict from address to array `(count,)`, values in [0, 1].

    Raises:
        ValueError: If the model has no such gate.

    Example:

    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    >>> values = gate_values(model, ["g[1][1,1]", "g[1][1,2]"], np.ones((3, 32, 32, 3)))
    >>> bool(np.allclose(sum(values.values()), 1))
    True
    """
    addresses = [find_gate(model, gate) for gate in gates]
    names = [layer.name for layer in routing_layers(model)]
    routes = model.routes(x, batch_size)
    return {each: routes[names[each.layer - 1]][:, each.input - 1, each.output - 1] for each in addresses}
