"""Numbers of different routes that a test set takes, epoch by epoch, as lines."""

import os
from collections.abc import Mapping, Sequence

from tf_routing.analysis.charts.style import chart, count_in_integers, pick_ordered_colors


def draw_route_counts(
    counts: Mapping[str, Sequence[float]], path: str | os.PathLike[str], title: str = "Distinct routes"
) -> None:
    """Draws one line per network over its epochs.

    Args:
        counts: Dict from a network's label to the numbers of distinct routes after each epoch, the first first.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no network.

    Example:

    >>> import tempfile
    >>> draw_route_counts({"margin 0.5": [3, 40, 120], "margin 1.0": [5, 90, 300]}, tempfile.mkdtemp() + "/counts.png")

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Fig. 7.
    """
    if not counts:
        raise ValueError("`counts` must hold at least one network. Received: none")
    with chart(path, (8, 4.2), title) as figure:
        axes = figure.subplots()
        # Networks of a study come in the order of a setting.
        colors = pick_ordered_colors(len(counts))
        for color, (label, by_epoch) in zip(colors, counts.items(), strict=True):
            # With markers: a run of one epoch has a point and no line.
            axes.plot(range(1, len(by_epoch) + 1), by_epoch, "o-", markersize=4, color=color, label=label)
        for axis in (axes.xaxis, axes.yaxis):
            count_in_integers(axis)
        axes.set(xlabel="epoch", ylabel="distinct routes of the test images")
        axes.set_xlim(0.5, max(map(len, counts.values())) + 0.5)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside right center")
