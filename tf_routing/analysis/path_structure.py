"""The structure of a network of parallel paths: its layers by path and depth, and the layers that join the paths."""

import re
from typing import Any, NamedTuple

import keras

from tf_routing import execution
from tf_routing.layers.blocks.grouped_conv import GroupedConv2D
from tf_routing.layers.blocks.squeeze_excite import SqueezeExcite
from tf_routing.layers.paths.cross_connection import CrossConnection
from tf_routing.layers.paths.cross_prediction import CrossPrediction
from tf_routing.layers.paths.cross_stitch import CrossStitch
from tf_routing.models import RoutedModel
from tf_routing.models.model_arguments import require_routed_model

_KINDS: dict[type, str] = {
    CrossPrediction: "cross-prediction",
    CrossConnection: "cross-connection",
    CrossStitch: "cross-stitch",
}
_PATH = re.compile(r"path_(\d+)_(.+)")
_BLOCK = re.compile(r"((?:stack|stage)_\d+)_block_(\d+)_.*")


class Column(NamedTuple):
    """What stands at one depth.

    Args:
        kind: `"layers"`, or what joins paths: `"cross-prediction"`, `"cross-connection"`, `"cross-stitch"`, and at the
            end `"average"`.
        label: What is written there, such as `C32` for a convolution of 32 filters.
        inputs: Integer, paths that enter.
        outputs: Integer, paths that leave.

    Example:

    >>> Column("layers", "C32", inputs=2, outputs=2).label
    'C32'
    """

    kind: str
    label: str
    inputs: int
    outputs: int


def path_structure(model: RoutedModel) -> list[Column]:
    """Returns what stands at each depth of a network of one path or several.

    Convolutions are written `C` and their filters, dense layers `F` and their units, as in the paper, with `SE` behind
    those that squeeze and excite. Pools are written `pool`. Residual blocks of a stage are one column.

    Args:
        model: A multi-path `RoutedModel`, or one of a single path.

    Returns:
        List of `Column`, from the image to the average of the paths.

    Raises:
        ValueError: If images skip parts of the network, or it is an ensemble: it has no such paths.

    Example:

    >>> from tf_routing import zoo
    >>> columns = path_structure(zoo.get("basecnn_2cc", width_multiplier=0.25))
    >>> [column.label for column in columns[:5]]
    ['CC', 'C8', 'C8', 'pool', 'CC']
    >>> columns[0].inputs, columns[0].outputs
    (1, 2)

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 2 and 4, Table 1.
    """
    _check_paths(require_routed_model(model))
    columns: dict[str, Column] = {}
    blocks: dict[str, set[str]] = {}
    for layer in model.layers:
        if type(layer) in _KINDS:
            columns[layer.name] = _join(layer)
        elif isinstance(layer, keras.layers.Average):
            columns[layer.name] = Column("average", "average", len(layer.input), 1)
        elif label := _write_label(layer):
            path, name = _split_name(layer.name)
            key = name.removesuffix("_se")
            if block := _BLOCK.fullmatch(name):
                key = block[1]
                blocks.setdefault(key, set()).add(block[2])
                # The width of a stage is that of its last layer that has one.
                label = f"{len(blocks[key])} x {label}"
            elif label == "SE":
                label = f"{columns[key].label.removesuffix(' SE')} SE"
            width = max(columns[key].inputs, path) if key in columns else path
            columns[key] = Column("layers", label, width, width)
    return list(columns.values())


def _check_paths(model: RoutedModel) -> None:
    if execution.gated_blocks(model):
        raise ValueError(
            f"`model` must run the same for all images, in one path or several. Received: {model.name!r}, whose images "
            "skip parts: `tf-routing cost NAME` lists its layers, `tf-routing figures exits` draws where images leave"
        )
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        raise ValueError(f"`model` must be one network. Received: {model.name!r}, an ensemble: draw its members")


def _split_name(name: str) -> tuple[int, str]:
    """Returns the number of the path of a layer, 1 where it has none, and the rest of the layer's name."""
    found = _PATH.fullmatch(name)
    return (int(found[1]), found[2]) if found else (1, name)


def _join(layer: Any) -> Column:
    kind = _KINDS[type(layer)]
    count = len(keras.tree.flatten(layer.input))
    if kind == "cross-stitch":
        return Column(kind, "stitch", count, count)
    label = "CC" if kind == "cross-connection" else f"CP-{_letter(layer.input)}{layer.output[0].shape[-1]}"
    return Column(kind, label, count, layer.paths)


def _letter(inputs: Any) -> str:
    return "C" if len(keras.tree.flatten(inputs)[0].shape) == 4 else "F"


def _write_label(layer: Any) -> str:
    if isinstance(layer, keras.layers.Dense):
        return f"F{layer.units}"
    if isinstance(layer, (keras.layers.Conv2D, GroupedConv2D)):
        return f"C{layer.filters}"
    if isinstance(layer, SqueezeExcite):
        return "SE"
    return "pool" if "Pooling" in type(layer).__name__ else ""
