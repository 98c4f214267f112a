"""Measures the routing flow of an image: the activation of each path, and the gates between them, layer by layer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing.models import RoutedModel
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.models.reader import Reader


class RouteFlow(NamedTuple):
    """What one routing layer did with one image.

    Args:
        name: Name of the layer.
        inputs: Array `(inputs,)`, relative activation of each input; the shares sum to one.
        gates: Array `(inputs, paths)`; each row sums to one.
        outputs: Array `(paths,)`, relative activation of each output.
    """

    name: str
    inputs: np.ndarray
    gates: np.ndarray
    outputs: np.ndarray


def routing_flow(model: RoutedModel, image: Any) -> list[RouteFlow]:
    """Measures how one image flows through the routing layers of a multi-path model.

    The relative activation of a tensor is its mean magnitude divided by the sum of those of the tensors beside it. The
    paper takes means, which are the same after a rectifier. A standardised image has values of both signs; copies of it
    that a gate weighs are as active as the gate says, whatever the sign of the image's mean. The single input of a
    one-to-many layer counts as fully active: its ratio is always one.

    Args:
        model: A multi-path `RoutedModel`.
        image: Array `(height, width, channels)` with values in [0, 1].

    Returns:
        One `RouteFlow` per routing layer, in order of depth.

    Raises:
        ValueError: If the model has no routing layer.

    Example:

    >>> from tf_routing import zoo
    >>> flow = routing_flow(zoo.get("basecnn_2cc", width_multiplier=0.25), np.ones((32, 32, 3)))
    >>> [route.gates.shape for route in flow]
    [(1, 2), (2, 2), (2, 2), (2, 2), (2, 2)]

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 8.
    """
    return routing_flows(model, np.asarray(image)[None])[0]


def routing_flows(model: RoutedModel, images: np.ndarray) -> list[list[RouteFlow]]:
    """Measures how some images flow through the routing layers of a multi-path model, see `routing_flow`.

    Args:
        model: A multi-path `RoutedModel`.
        images: Array `(count, height, width, channels)` with values in [0, 1], or uint8.

    Returns:
        List with the flow of each image.

    Raises:
        ValueError: If the model has no routing layer.

    Example:

    >>> from tf_routing import zoo
    >>> len(routing_flows(zoo.get("basecnn_2cc", width_multiplier=0.25), np.ones((3, 32, 32, 3))))
    3
    """
    names = require_routed_model(model).decision_names
    if not names:
        raise ValueError(f"{model.name!r} has no routing layer, so there is no flow to draw.")
    layers = [model.get_layer(name) for name in names]
    tensors = [keras.tree.flatten(layer.input) + keras.tree.flatten(layer.output) for layer in layers]
    by_layer = Reader(model.input, tensors).predict(images, verbose=0)
    return [
        [
            _measure_layer(layer, [np.asarray(value)[number] for value in values])
            for layer, values in zip(layers, by_layer, strict=True)
        ]
        for number in range(len(images))
    ]


def _measure_layer(layer: Any, values: list[np.ndarray]) -> RouteFlow:
    gates = values[-1]
    count = gates.shape[0]
    return RouteFlow(layer.name, _compute_shares(values[:count]), gates, _compute_shares(values[count:-1]))


def _compute_shares(tensors: Sequence[np.ndarray]) -> np.ndarray:
    if len(tensors) == 1:
        return np.ones(1)
    # In double precision: means of half precision may overflow.
    strengths = np.array([np.abs(np.asarray(tensor, "float64")).mean() for tensor in tensors])
    # Where nothing is active, no path is more so than another.
    return strengths / strengths.sum() if strengths.any() else np.full(len(tensors), 1 / len(tensors))
