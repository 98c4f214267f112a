"""Accuracy against the multiply-accumulates that are executed for it."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_routing.support.files import whole_file

_GREY = "#7f8c8d"
# Of the axes' width and height: a label and the air around it.
_LABEL = (0.13, 0.05)


class OperatingPoint(NamedTuple):
    """Where a network stands.

    Args:
        label: What the legend calls it.
        accuracy: Float in [0, 1].
        macs: Float, mean of the multiply-accumulates executed per image.
        blocks: Float, mean number of executed blocks (K).

    Example:

    >>> OperatingPoint("cost weight 0.05", accuracy=0.9, macs=5.2e7, blocks=11.4).blocks
    11.4
    """

    label: str
    accuracy: float
    macs: float
    blocks: float


class StaticNetwork(NamedTuple):
    """A network without routers, for comparison.

    Args:
        label: What the legend calls it.
        macs: Integer, its multiply-accumulates per image.
        accuracy: Float, or `None` where it is not known.

    Example:

    >>> StaticNetwork("resnet32", 68_862_592).accuracy is None
    True
    """

    label: str
    macs: int
    accuracy: float | None = None


def draw_trade_off(
    points: Sequence[OperatingPoint],
    path: str | os.PathLike[str],
    static: StaticNetwork | None = None,
    title: str = "Accuracy and executed cost",
) -> None:
    """Draws one point per network, its K beside it.

    Args:
        points: The networks.
        path: Picture to write; its ending tells the format.
        static: A network that runs all, drawn as a star, or as a line where its accuracy is not known.
        title: Title of the picture.

    Raises:
        ValueError: If there is no point.

    Example:

    >>> import tempfile
    >>> point = OperatingPoint("cost weight 0.05", accuracy=0.9, macs=5.2e7, blocks=11.4)
    >>> draw_trade_off([point], tempfile.mkdtemp() + "/trade_off.png", StaticNetwork("resnet32", 68_862_592))

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, Table 2
    and Fig. 8.
    """
    import matplotlib
    from matplotlib.figure import Figure

    if not points:
        raise ValueError("`points` must hold at least one point. Received: none")
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    colors = matplotlib.colormaps["viridis"].resampled(len(points) + 1)
    for number, point in enumerate(points):
        axes.plot(point.macs / 1e6, point.accuracy, "o", markersize=8, color=colors(number), label=point.label)
    if static is not None:
        _draw_static(axes, static)
    axes.margins(x=0.12, y=0.2)
    axes.set(title=title, xlabel="mean executed multiply-accumulates per image, millions", ylabel="test accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    _write_blocks(axes, points)
    figure.legend(loc="outside right center", frameon=False)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_static(axes: Any, static: StaticNetwork) -> None:
    if static.accuracy is None:
        axes.axvline(static.macs / 1e6, color=_GREY, linestyle="--", label=f"{static.label}, static")
    else:
        axes.plot(static.macs / 1e6, static.accuracy, "*", color=_GREY, markersize=12, label=f"{static.label}, static")


def _write_blocks(axes: Any, points: Sequence[OperatingPoint]) -> None:
    """Writes K beside each point, further away where a label stands already, with a line that leads to it."""
    # Scales are set when they are asked for, and the transformation does not ask.
    axes.autoscale_view()
    to_axes = axes.transData - axes.transAxes
    taken: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda each: each.macs):
        x, y = to_axes.transform((point.macs / 1e6, point.accuracy))
        # Towards the middle: there is more room.
        step = _LABEL[1] if y < 0.5 else -_LABEL[1]
        y += 1.2 * step
        while any(abs(x - left) < _LABEL[0] and abs(y - other) < _LABEL[1] for left, other in taken):
            y += step
        taken.append((x, y))
        axes.annotate(
            f"K = {point.blocks:.1f}",
            (point.macs / 1e6, point.accuracy),
            (x, y),
            textcoords="axes fraction",
            ha="center",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.5},
        )
