"""Finds where routing layers stand in the multi-path form of a single-path net, by the names of its layers."""

import re
from typing import NamedTuple

import keras

from tf_routing.core.graph import layer_calls

_HEAD = "head|logits|probabilities"
_COLUMN = re.compile(rf"image|standardize|conv_\d+(_bn|_relu|_se)?|pool_\d+|flatten|dense_\d+(_bn|_relu)?|{_HEAD}")
_BLOCK_END = re.compile(r"(?:stage|stack)_(\d+)_block_\d+_relu")
_RESIDUAL = re.compile(
    r"image|standardize|stem(_pad|_bn|_relu|_pool|_pool_pad)?|pool|"
    r"(stage|stack)_\d+_block_\d+_(conv_\d+(_pad|_bn|_relu)?|shortcut(_bn)?|add|relu)|" + _HEAD
)


class RoutingPlaces(NamedTuple):
    """Where routing layers stand; layers are named as in the single-path net.

    Args:
        connected: Number of the cross-connection that follows a layer, by name of the layer.
        predicted: Number of the cross-prediction that takes the place of a layer, by name of the layer.
        dropped: Names of the layers that cross-predictions contain: the batch normalisation and ReLU after the layer
            whose place they take.
        scaled: Name of the layer whose output is multiplied by the number of paths, because the first routing layer
            divides it among them.
    """

    connected: dict[str, int]
    predicted: dict[str, int]
    dropped: set[str]
    scaled: str


def find_routing_places(model: keras.Model, router: str) -> RoutingPlaces:
    """Returns where routing layers stand in the multi-path form of a net.

    Args:
        model: The single-path net.
        router: `"cc"` or `"cp"`.

    Raises:
        ValueError: If `model` is not a single-path net of a family with a multi-path form, or has none with `router`.
    """
    names = [call.operation.name for call in layer_calls(model)]
    several = [name for name in names if name.startswith(("path_", "route_", "stitch_"))]
    if several:
        raise ValueError(f"`model` must have one path. Received: model={model.name!r}, with a layer {several[0]!r}")
    if all(map(_COLUMN.fullmatch, names)) and {"conv_1", "flatten"} <= set(names):
        found = _place_column_connections(names) if router == "cc" else _place_column_predictions(names)
    elif all(map(_RESIDUAL.fullmatch, names)) and "stem_bn" in names and any(map(_BLOCK_END.fullmatch, names)):
        found = _place_residual_connections(names, router)
    else:
        raise ValueError(
            "`model` must be a single-path residual or VGG-like net as `zoo.get` builds them, such as 'resnet18', "
            f"'resnet50', 'resnet20', 'basecnn' or 'vgg16_cifar'. Received: model={model.name!r}"
        )
    if "logits" not in names:
        raise ValueError(f"`model` must end in its classes (`include_top=True`). Received: model={model.name!r}")
    return found


def _place_column_connections(names: list[str]) -> RoutingPlaces:
    # The image, or what standardises it, then every stage, whose last one may have no pool, and the first dense layer.
    first = "standardize" if "standardize" in names else "image"
    before_flatten = names[names.index("flatten") - 1]
    after = [name for name in names if name.startswith("pool_") or name in (first, before_flatten, "dense_1_relu")]
    return RoutingPlaces({name: route for route, name in enumerate(after, 1)}, {}, set(), "conv_1")


def _place_column_predictions(names: list[str]) -> RoutingPlaces:
    squeezed = [name for name in names if name.endswith("_se")]
    if squeezed:
        raise ValueError(f"`router` must be 'cc' for a net with squeeze-and-excite ({squeezed[0]!r}). Received: 'cp'")
    pools = [int(name.removeprefix("pool_")) for name in names if name.startswith("pool_")]
    opening = ["conv_1", *(f"conv_{last + 1}" for last in pools), "dense_2"]
    replaced = [name for name in opening if name in names]
    folded = [name for name in replaced if f"{name}_bn" not in names]
    if folded:
        raise ValueError(f"`model` must normalise batches where a cross-prediction does. {folded[0]!r} has no '_bn'.")
    dropped = {f"{name}_{part}" for name in replaced for part in ("bn", "relu")}
    return RoutingPlaces({}, {name: route for route, name in enumerate(replaced, 1)}, dropped, "conv_1")


def _place_residual_connections(names: list[str], router: str) -> RoutingPlaces:
    if router == "cp":
        raise ValueError(
            "`router` must be 'cc' for a residual net: cross-predictions would be added to its layers, and in training "
            "their batch normalisation would change what the net computes. Received: router='cp'"
        )
    ends = {match[1]: match[0] for match in map(_BLOCK_END.fullmatch, names) if match}
    after = ["stem_pool" if "stem_pool" in names else "stem_relu", *ends.values()]
    return RoutingPlaces({name: route for route, name in enumerate(after, 1)}, {}, set(), "stem_bn")
