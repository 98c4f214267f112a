"""Whether an image keeps its route when it is changed in ways that keep what it shows."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tf_routing.support.files import whole_file

_COLORS = ("#1f6fb4", "#c0392b", "#7f8c8d", "#27ae60")


def consistent_images(routes: np.ndarray, versions: Iterable[np.ndarray]) -> np.ndarray:
    """Tells which images take one route in all versions.

    Args:
        routes: Array `(count, choices)` of 0 and 1, the originals' routes, see `hard_routes`.
        versions: Arrays of the same shape, the routes of the same images changed in one way each.

    Returns:
        Boolean array `(count,)`, true where every version's route is the original's.

    Raises:
        ValueError: If a version's shape is another.

    Example:

    >>> routes, flipped = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> consistent_images(routes, [flipped]).tolist()
    [True, False]

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, section
    4.2.
    """
    consistent = np.ones(len(routes), dtype=bool)
    for version in versions:
        if version.shape != routes.shape:
            raise ValueError(f"`versions` must have the routes' shape {routes.shape}. Received: {version.shape}")
        consistent &= (version == routes).all(axis=1)
    return consistent


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
    from matplotlib.figure import Figure

    if not kept:
        raise ValueError("`kept` must hold at least one network. Received: none")
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_groups(left, kept, "{:,.0f}")
    left.set(title="images that keep their route", ylabel="test images")
    _draw_groups(right, accuracies, "{:.3f}")
    right.set(title="accuracy", ylim=(0, 1.08))
    figure.suptitle(title)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(kept), frameon=False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_groups(axes: Any, values: Mapping[str, Mapping[str, float]], form: str) -> None:
    """One group of bars per version, one bar per network in it."""
    versions = list(next(iter(values.values())))
    width = 0.8 / len(values)
    for number, (label, own) in enumerate(values.items()):
        places = np.arange(len(versions)) + (number - (len(values) - 1) / 2) * width
        bars = axes.bar(
            places, [own[each] for each in versions], width, label=label, color=_COLORS[number % len(_COLORS)]
        )
        axes.bar_label(bars, fmt=form, fontsize=7, padding=2)
    axes.set_xticks(range(len(versions)), [each.replace("_", "\n") for each in versions])
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
