"""Trained single-path nets as multi-path ones that start with the same predictions."""

from typing import Any

import keras
import numpy as np

from tf_routing.core.kernels import is_kernel
from tf_routing.layers.initializers import distinct_seed
from tf_routing.models import RoutedModel
from tf_routing.support.validation import not_negative, not_negative_integer, one_of, positive_integer
from tf_routing.transforms.widened_graph import WidenedGraph
from tf_routing.transforms.widening_places import places
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

    Every path is a copy of the net behind its stem, and gates start uniform, so that with `noise=0` the predictions
    are those of `model`, in training too. Equal paths would get equal gradients and stay equal: a little noise on the
    kernels tells them apart. Layers are named and routing layers placed as `zoo.get` does for the multi-path net;
    where a single-path net has no biases, its paths have none.

    The first routing layer hands each path an n-th of its input. Before it, or right behind it, weights are therefore
    multiplied by n: kernels of the first convolution, where it reads the image by itself, or the stem's last
    normalisation, whose ReLU and pool keep the factor.

    Args:
        model: A single-path net of the families of `resnet18` and `resnet50`, `resnet20`, or `basecnn` and
            `vgg16_cifar`, of any width, with its head, trained or not. It stays as it is.
        paths: Integer n of at least 2, the number of paths.
        router: `"cc"` puts cross-connections between the paths. `"cp"` puts cross-predictions in the place of the
            first convolution of each stage and of the second hidden dense layer; for nets without shortcuts only.
        noise: Float, deviation of what is added to each kernel on the paths, as a share of that kernel's own.
        hidden: Integer, the units of each gate's hidden layer.
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
        Eq. 4 and 5; that it may start from a trained net is our addition.
    """
    if positive_integer("paths", paths) < 2:
        raise ValueError(f"`paths` must be at least 2. Received: paths={paths!r}")
    one_of("router", router, ("cc", "cp"))
    not_negative("noise", noise)
    positive_integer("hidden", hidden)
    not_negative_integer("seed", seed)
    graph = WidenedGraph(model, places(model, router), paths, hidden)
    wide = graph.build(f"{model.name}_{paths}{router}")
    _take_over(graph)
    _scale(graph)
    _disturb(graph, noise, np.random.default_rng(seed))
    _draw_gates(graph, seed)
    if isinstance(model, RoutedModel):
        wide.set_default_objective(model.default_objective())
    return wide


def _take_over(graph: WidenedGraph) -> None:
    """Gives every copy the weights of its layer."""
    for copy, layer in graph.copies:
        copy_weights(copy, layer)
    for route, replaced in graph.routes:
        if replaced is not None:
            normalization = graph.model.get_layer(f"{replaced.name}_bn")
            for prediction in _predictions(route):
                prediction.set_weights(replaced.get_weights())
            for each in route.normalizations:
                each.set_weights(normalization.get_weights())


def _scale(graph: WidenedGraph) -> None:
    """Multiplies by the number of paths what the first routing layer divides by it."""
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


def _disturb(graph: WidenedGraph, noise: float, random: np.random.Generator) -> None:
    on_paths = [copy for copy, _ in graph.copies if copy.name.startswith("path_")]
    predictions = [each for route, replaced in graph.routes if replaced is not None for each in _predictions(route)]
    for layer in (*on_paths, *predictions):
        for weight in layer.weights:
            if is_kernel(weight.name):
                kernel = np.asarray(weight)
                weight.assign(kernel + noise * kernel.std() * random.normal(size=kernel.shape))


def _draw_gates(graph: WidenedGraph, seed: int) -> None:
    """Draws the hidden kernels of all gates; the last ones are zeros, which is what makes gates uniform."""
    gates = [gate for route, _ in graph.routes for gate in route.gates]
    for index, gate in enumerate(gates):
        kernel = gate.hidden_layer.kernel
        initializer = keras.initializers.GlorotUniform(seed=distinct_seed(seed, index))
        kernel.assign(initializer(kernel.shape))


def _predictions(route: Any) -> list[Any]:
    return [prediction for row in route.predictions for prediction in row]
