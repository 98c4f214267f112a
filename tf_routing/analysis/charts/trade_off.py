"""Accuracy against executed multiply-accumulates, one point per network."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from tf_routing.analysis.charts.point_labels import write_labels
from tf_routing.analysis.charts.style import GREY, chart, fix_layout, pick_ordered_colors


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

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Table 2 and Fig. 8.
    """
    if not points:
        raise ValueError("`points` must hold at least one point. Received: none")
    with chart(path, (8, 4.2), title) as figure:
        axes = figure.subplots()
        for color, point in zip(pick_ordered_colors(len(points)), points, strict=True):
            axes.plot(point.macs / 1e6, point.accuracy, "o", markersize=7, color=color, label=point.label)
        if static is not None:
            _draw_static(axes, static)
        axes.margins(x=0.12, y=0.2)
        axes.set(xlabel="mean executed multiply-accumulates per image, millions", ylabel="test accuracy")
        figure.legend(loc="outside right center")
        fix_layout(figure)
        _write_blocks(axes, points, static)


def _draw_static(axes: Any, static: StaticNetwork) -> None:
    if static.accuracy is None:
        axes.axvline(static.macs / 1e6, color=GREY, linestyle="--", label=f"{static.label}, static")
    else:
        axes.plot(static.macs / 1e6, static.accuracy, "*", color=GREY, markersize=12, label=f"{static.label}, static")


def _write_blocks(axes: Any, points: Sequence[OperatingPoint], static: StaticNetwork | None) -> None:
    places = [(point.macs / 1e6, point.accuracy) for point in points]
    labels = [f"K = {point.blocks:.1f}" for point in points]
    if static is not None and static.accuracy is not None:
        # Without a label: the others keep off its mark.
        places, labels = [*places, (static.macs / 1e6, static.accuracy)], [*labels, ""]
    write_labels(axes, places, labels)
