"""Turns a trained single-path net into a multi-path net that starts with the same predictions."""

from typing import Any

import keras
import numpy as np

from tf_routing.core.kernels import is_kernel
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.support.validation import not_negative, not_negative_integer, one_of, positive_integer
from tf_routing.transforms.multipath_graph import MultipathGraph
from tf_routing.transforms.routing_places import find_routing_places
from tf_routing.zoo.weights.layer_weights import copy_weights

__all__ = ["widen_paths"]


def widen_paths(
    model: keras.Model,
    paths: int = 2,
    router: str = "cc",
    *,
    noise: float = 0.01,
    hidden: int = 16,
    seed: int = 0,
) -> RoutedModel:
    """Returns a multi-path net that starts with the predictions of a single-path one.

    Every path is a copy of what follows the stem of the net, and gates start uniform, so that with `noise=0` the
    predictions are those of `model`, in training too. Equal paths would get equal gradients and stay equal: a little
    noise on the kernels makes them differ. Layers are named and routing layers placed as `zoo.get` does for the
    multi-path net; where a single-path net has no biases, its paths have none.

    The first routing layer gives every path an n-th of its input. Weights before it, or right behind it, are therefore
    multiplied by n: the kernels of the first convolution where that reads the image, else the last normalisation of the
    stem, whose ReLU and pooling keep the factor.

    Args:
        model: A single-path net of the families of `resnet18` and `resnet50`, `resnet20`, or `basecnn` and
            `vgg16_cifar`, of any width, with its head, trained or not. It stays as it is.
        paths: Integer n of at least 2, the number of paths.
        router: `"cc"` puts cross-connections between the paths. `"cp"` puts cross-predictions in the place of the
            first convolution of each stage and of the second hidden dense layer; for nets without shortcuts only.
        noise: Float, standard deviation of the noise on kernels of the paths, relative to that of the kernel.
        hidden: Integer, units of the hidden layers of gates.
        seed: Integer, seed of the noise and of the gates' hidden kernels.

    Returns:
        A `RoutedModel` named `{name}_{paths}{router}`, not compiled.

    Raises:
        ValueError: If `model` is no such net or has several paths already, or an argument is not possible.

    Example:

    >>> from tf_routing import zoo
    >>> wide = widen_paths(zoo.get("basecnn", width_multiplier=0.25), paths=2, router="cc")
    >>> wide.name, wide.decision_names
    ('basecnn_2cc', ['route_1', 'route_2', 'route_3', 'route_4', 'route_5'])

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Eq. 4 and 5. To start from a trained net is an addition of this library.
    """
    if positive_integer("paths", paths) < 2:
        raise ValueError(f"`paths` must be at least 2. Received: paths={paths!r}")
    one_of("router", router, ("cc", "cp"))
    not_negative("noise", noise)
    positive_integer("hidden", hidden)
    not_negative_integer("seed", seed)
    graph = MultipathGraph(model, find_routing_places(model, router), paths, hidden)
    wide = graph.build(f"{model.name}_{paths}{router}")
    _copy_weights(graph)
    _scale_stem(graph)
    _add_noise(graph, noise, np.random.default_rng(seed))
    _draw_gates(graph, seed)
    if isinstance(model, RoutedModel):
        wide.set_default_objective(model.default_objective())
    return wide


def _copy_weights(graph: MultipathGraph) -> None:
    for copy, layer in graph.copies:
        copy_weights(copy, layer)
    for route, replaced in graph.routes:
        if replaced is not None:
            normalization = graph.model.get_layer(f"{replaced.name}_bn")
            for prediction in _predictions(route):
                prediction.set_weights(replaced.get_weights())
            for route_normalization in route.normalizations:
                route_normalization.set_weights(normalization.get_weights())


def _scale_stem(graph: MultipathGraph) -> None:
    """Multiplies by the number of paths what the first routing layer divides among them."""
    scaled = [copy for copy, layer in graph.copies if layer.name == graph.places.scaled]
    if scaled and isinstance(scaled[0], keras.layers.BatchNormalization):
        weights = [scaled[0].gamma, scaled[0].beta]
    elif scaled:
        # What is divided is the image, so that a convolution's bias stays.
        weights = [copy.kernel for copy in scaled]
    else:
        # What is divided are predictions, biases included.
        weights = [weight for prediction in _predictions(graph.routes[0][0]) for weight in prediction.weights]
    for weight in weights:
        weight.assign(weight * graph.paths)


def _add_noise(graph: MultipathGraph, noise: float, random: np.random.Generator) -> None:
    on_paths = [copy for copy, _ in graph.copies if copy.name.startswith("path_")]
    replacing = [route for route, replaced in graph.routes if replaced is not None]
    predictions = [prediction for route in replacing for prediction in _predictions(route)]
    for layer in (*on_paths, *predictions):
        for weight in layer.weights:
            if is_kernel(weight.name):
                kernel = np.asarray(weight)
                weight.assign(kernel + noise * kernel.std() * random.normal(size=kernel.shape))


def _draw_gates(graph: MultipathGraph, seed: int) -> None:
    """Draws the hidden kernels of all gates; their last kernels stay zeros, which makes gates uniform."""
    gates = [gate for route, _ in graph.routes for gate in route.gates]
    for index, gate in enumerate(gates):
        kernel = gate.hidden_layer.kernel
        initializer = keras.initializers.GlorotUniform(seed=distinct_seed(seed, index))
        kernel.assign(initializer(kernel.shape))


def _predictions(route: Any) -> list[Any]:
    return [prediction for row in route.predictions for prediction in row]
