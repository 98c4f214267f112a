"""How many different routes a test set takes, epoch by epoch."""

import os
from collections.abc import Mapping, Sequence

from tf_routing.support.files import whole_file


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

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, Fig. 7.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not counts:
        raise ValueError("`counts` must hold at least one network. Received: none")
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    colors = matplotlib.colormaps["viridis"].resampled(len(counts) + 1)
    for number, (label, own) in enumerate(counts.items()):
        # A marker each: a run of one epoch has a point and no line.
        axes.plot(range(1, len(own) + 1), own, "o-", markersize=4, color=colors(number), label=label)
    for axis in (axes.xaxis, axes.yaxis):
        # A single tick is enough: with more, the axis of one epoch would show fractions.
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(title=title, xlabel="epoch", ylabel="distinct routes of the test images")
    axes.set_xlim(0.5, max(map(len, counts.values())) + 0.5)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right center", frameon=False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
