"""Kernels of parallel paths, layer by layer, for comparison between paths."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.layers import CrossPrediction
from tf_routing.models import RoutedModel
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.support.validation import unknown

_ON_PATH = re.compile(r"path_(\d+)_(.+)")
_HEAD = "head"
_CONVOLUTION_RANK = 4


class PathKernels(NamedTuple):
    """The kernels of one layer, path by path.

    Args:
        label: Number and name of the layer.
        kernels: One flat array of kernel values per path. Of a cross-prediction, those of all predictions of a path.

    Example:

    >>> len(PathKernels("layer 4, conv_4", [np.zeros(9), np.ones(9)]).kernels)
    2
    """

    label: str
    kernels: list[np.ndarray]


def path_layers(model: RoutedModel) -> dict[str, list[list[Any]]]:
    """Finds the layers with kernels that stand on every path of a multi-path model.

    Args:
        model: A `RoutedModel` of the zoo with several paths.

    Returns:
        Dict from a name, that of the layers without `path_{p}_`, to a list with the layers of each path: one for each
        path, or all predictions of the path in a cross-prediction. Convolutions come first, then hidden dense layers,
        then the heads, each in order of depth.

    Raises:
        ValueError: If no layer stands on several paths.

    Example:

    >>> from tf_routing import zoo
    >>> list(path_layers(zoo.get("basecnn_2cp", width_multiplier=0.25)))
    ['route_1', 'conv_2', 'route_2', 'conv_4', 'route_3', 'conv_6', 'dense_1', 'route_4', 'head']
    """
    groups: dict[str, dict[int, list[Any]]] = {}
    for layer in require_routed_model(model).layers:
        on_path = _ON_PATH.fullmatch(layer.name)
        if isinstance(layer, CrossPrediction):
            groups[layer.name] = {path: list(each) for path, each in enumerate(zip(*layer.predictions, strict=True), 1)}
        elif on_path and hasattr(layer, "kernel"):
            groups.setdefault(on_path[2], {})[int(on_path[1])] = [layer]
    if not groups:
        raise ValueError(f"{model.name!r} has one path, so there are no kernels to compare.")
    by_path = {name: [layers[path] for path in sorted(layers)] for name, layers in groups.items()}
    return dict(sorted(by_path.items(), key=lambda group: _rank_kind(*group)))


def _rank_kind(name: str, layers: list[list[Any]]) -> int:
    if name == _HEAD:
        return 2
    return 0 if len(layers[0][0].kernel.shape) == _CONVOLUTION_RANK else 1


def path_kernels(model: RoutedModel, layers: Sequence[str | int]) -> list[PathKernels]:
    """Returns the kernels of some layers, path by path.

    Args:
        model: A `RoutedModel` of the zoo with several paths.
        layers: Names such as `"conv_4"` or `"stack_1_block_2_conv_1"`, those of the layers without `path_{p}_`; or
            numbers from 1, which count convolutions in order of depth and then hidden dense layers. Cross-predictions
            count as what they replace.

    Returns:
        One `PathKernels` per layer.

    Raises:
        ValueError: If the model has no such layer on its paths; the message lists close ones.

    Example:

    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    >>> [(each.label, each.kernels[0].size) for each in path_kernels(model, [4, "dense_1"])]
    [('layer 4, conv_4', 2304), ('layer 7, dense_1', 16384)]

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 11.
    """
    groups = path_layers(model)
    numbers = {name: number for number, name in enumerate(groups, 1) if name != _HEAD}
    names = [_find_name(model, layer, numbers, groups) for layer in layers]
    return [PathKernels(_write_label(name, numbers), [_flatten(each) for each in groups[name]]) for name in names]


def _find_name(model: RoutedModel, layer: str | int, numbers: dict[str, int], groups: dict[str, Any]) -> str:
    if not str(layer).isdecimal():
        on_path = _ON_PATH.fullmatch(str(layer))
        name = on_path[2] if on_path else str(layer)
        if name not in groups:
            raise ValueError(unknown("layer", layer, groups))
        return name
    by_number = {number: name for name, number in numbers.items()}
    if int(layer) not in by_number:
        raise ValueError(
            f"`layers` must be names or numbers from 1 to {len(by_number)} of the layers on the paths of "
            f"{model.name!r}: {', '.join(groups)}. Received: {layer!r}"
        )
    return by_number[int(layer)]


def _write_label(name: str, numbers: dict[str, int]) -> str:
    return f"layer {numbers[name]}, {name}" if name in numbers else name


def _flatten(layers: Sequence[Any]) -> np.ndarray:
    return np.concatenate([np.ravel(layer.kernel) for layer in layers])
