"""Histograms of the kernel values of parallel paths, over each other."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import add_panels, chart, pick_color, shape_grid
from tf_routing.analysis.path_kernels import PathKernels

_COLUMNS = 4


def draw_weight_histograms(
    layers: Sequence[PathKernels], path: str | os.PathLike[str], bins: int = 60, title: str = "Kernels by path"
) -> None:
    """Draws one panel per layer with the histograms of its paths over each other.

    Args:
        layers: What to show, see `path_kernels`; four stand side by side. All have as many paths.
        path: Picture to write; its ending tells the format.
        bins: Integer, number of bins, which a layer's paths share.
        title: Title of the picture.

    Raises:
        ValueError: If there is no layer, or two differ in their numbers of paths.

    Example:

    >>> import tempfile
    >>> layer = PathKernels("layer 4, conv_4", [np.linspace(-1, 1, 50), np.linspace(-0.5, 0.5, 50)])
    >>> draw_weight_histograms([layer], tempfile.mkdtemp() + "/kernels.png")

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 11.
    """
    paths = {len(layer.kernels) for layer in layers}
    if len(paths) != 1 or paths == {0}:
        counts = {layer.label: len(layer.kernels) for layer in layers}
        raise ValueError(f"`layers` must hold kernels of the same paths. Received numbers of paths: {counts or 'none'}")
    rows, columns = shape_grid(len(layers), _COLUMNS)
    with chart(path, (0.6 + 2.9 * columns, 1.2 + 2.1 * rows), title) as figure:
        panels = add_panels(figure, len(layers), _COLUMNS)
        for axes, layer in zip(panels, layers, strict=True):
            _draw_layer(axes, layer, bins)
        figure.supxlabel("kernel value")
        figure.supylabel("kernel values in a bin")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))


def _draw_layer(axes: Any, layer: PathKernels, bins: int) -> None:
    most = max(float(np.abs(kernel).max()) for kernel in layer.kernels)
    # Kernels may be all zeros, and bins must have a width.
    edges = np.linspace(-most, most, bins + 1) if most > 0 else np.linspace(-1, 1, bins + 1)
    for number, kernel in enumerate(layer.kernels):
        color, label = pick_color(number), f"path {number + 1}"
        counts, _ = np.histogram(kernel.astype("float64"), edges)
        axes.stairs(counts, edges, fill=True, color=color, alpha=0.35, label=label)
        axes.stairs(counts, edges, color=color, linewidth=1.1)
    axes.set_title(layer.label.replace("_", " "))
    axes.locator_params(nbins=5)
