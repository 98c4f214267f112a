"""Histograms of the values of gates, by class of the images."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import INK, NOTE, chart, count_in_integers, pick_color
from tf_routing.analysis.gate_statistics import histogram_edges


def draw_gate_histograms(
    values: Mapping[str, Mapping[str, np.ndarray]],
    path: str | os.PathLike[str],
    bins: int = 40,
    title: str = "Gate values by class",
) -> None:
    """Draws one column of histograms per gate, one row per class; a line marks the mean.

    Histograms of a gate share their bins and both scales, so that classes can be compared by eye.

    Args:
        values: Dict from a gate's address to a dict from a class's name to the gate's values for its images. Classes
            are the same for all gates.
        path: Picture to write; its ending tells the format.
        bins: Integer, number of bins.
        title: Title of the picture.

    Raises:
        ValueError: If there is no gate, no class, a class without values, or two gates have other classes.

    Example:

    >>> import tempfile
    >>> values = {"g[2][2,1]": {"cat": np.array([0.2, 0.3]), "dog": np.array([0.7, 0.8])}}
    >>> draw_gate_histograms(values, tempfile.mkdtemp() + "/histograms.png")

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 10.
    """
    classes = _check_classes(values)
    with chart(path, (1.2 + 3.2 * len(values), 1.0 + 0.95 * len(classes)), title) as figure:
        grid = figure.subplots(len(classes), len(values), sharex="col", sharey="col", squeeze=False)
        for column, (gate, by_class) in zip(grid.T, values.items(), strict=True):
            edges = histogram_edges(by_class, bins)
            for number, (axes, name) in enumerate(zip(column, classes, strict=True)):
                _draw_histogram(axes, by_class[name], edges, pick_color(number))
            column[0].set_title(gate)
            column[-1].set_xlim(edges[0], edges[-1])
        for axes, name in zip(grid[:, 0], classes, strict=True):
            axes.set_ylabel(name, rotation=0, ha="right", va="center")
        figure.supxlabel("gate value")
        figure.supylabel("images")


def _check_classes(values: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    if not values or not all(values.values()):
        raise ValueError("`values` must hold at least one gate, and one class of it. Received: none")
    classes = list(next(iter(values.values())))
    for gate, by_class in values.items():
        counts = {name: len(each) for name, each in by_class.items()}
        if list(counts) != classes or not all(counts.values()):
            raise ValueError(
                f"`values` must hold values of the classes {classes}. Received: {gate} with numbers of values {counts}"
            )
    return classes


def _draw_histogram(axes: Any, values: np.ndarray, edges: np.ndarray, color: str) -> None:
    counts, _ = np.histogram(values, edges)
    axes.stairs(counts, edges, fill=True, color=color, alpha=0.75)
    axes.axvline(values.mean(), color="black", linewidth=0.9)
    # Beside the panel: within it any place may hold bars.
    look = {"ha": "left", "va": "center", "fontsize": NOTE, "color": INK}
    axes.text(1.02, 0.5, f"mean\n{values.mean():.3f}", transform=axes.transAxes, **look)
    count_in_integers(axes.yaxis, most=3)
