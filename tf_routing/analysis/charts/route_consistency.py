"""How many images keep their route when they are changed, and how accurate networks are then, as bars."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import NOTE, chart, pick_color


def draw_route_consistency(
    kept: Mapping[str, Mapping[str, float]],
    accuracies: Mapping[str, Mapping[str, float]],
    path: str | os.PathLike[str],
    title: str = "Route consistency",
) -> None:
    """Draws for some networks how many images keep their route, and how accurate they are, by version of the images.

    Args:
        kept: Dict from a network's label to the number of images that keep their route, by version.
        accuracies: Dict from the same labels to accuracies, by version.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no network.

    Example:

    >>> import tempfile
    >>> kept, accuracies = {"with": {"crop": 9, "all": 7}}, {"with": {"original": 0.9, "crop": 0.8}}
    >>> draw_route_consistency(kept, accuracies, tempfile.mkdtemp() + "/consistency.png")
    """
    if not kept:
        raise ValueError("`kept` must hold at least one network. Received: none")
    with chart(path, (10, 4), title) as figure:
        left, right = figure.subplots(1, 2)
        _draw_groups(left, kept, "{:,.0f}")
        left.set(title="images that keep their route", ylabel="test images")
        _draw_groups(right, accuracies, "{:.3f}")
        right.set(title="accuracy", ylim=(0, 1.08))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(kept))


def _draw_groups(axes: Any, values: Mapping[str, Mapping[str, float]], form: str) -> None:
    """Draws one group of bars per version, with one bar per network."""
    versions = list(next(iter(values.values())))
    width = 0.8 / len(values)
    for number, (label, by_version) in enumerate(values.items()):
        places = np.arange(len(versions)) + (number - (len(values) - 1) / 2) * width
        heights = [by_version[each] for each in versions]
        bars = axes.bar(places, heights, width, label=label, color=pick_color(number))
        axes.bar_label(bars, fmt=form, fontsize=NOTE, padding=2)
    axes.set_xticks(range(len(versions)), [each.replace("_", "\n") for each in versions])
    axes.margins(y=0.12)
