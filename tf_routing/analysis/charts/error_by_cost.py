"""Errors of methods against what they execute: points that papers print, and points of runs."""

import itertools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.point_labels import write_labels
from tf_routing.analysis.charts.style import chart, fix_layout, pick_color

_MARKERS = "osD^vP<>X*"
# Places along a line that labels keep off.
_PLACES = 40
# Errors of which the largest is so many times the smallest have a scale on which small ones stay apart.
_WIDE = 4


class CostPoint(NamedTuple):
    """Where a network stands.

    Args:
        label: What stands beside the point.
        macs: Float, mean of the multiply-accumulates executed per image.
        error: Float, per cent.

    Example:

    >>> CostPoint("0.7", macs=3.12e9, error=22.57).error
    22.57
    """

    label: str
    macs: float
    error: float


class Method(NamedTuple):
    """Networks of one kind, at one or several costs.

    Args:
        label: What the legend calls it.
        points: List of `CostPoint`.
        measured: Boolean, whether the errors are of runs; else they are printed by a paper.

    Example:

    >>> Method("DMNN-50", [CostPoint("0.7", 3.12e9, 22.57)]).measured
    False
    """

    label: str
    points: Sequence[CostPoint]
    measured: bool = False


def draw_error_by_cost(
    methods: Sequence[Method], path: str | os.PathLike[str], title: str = "Error and executed cost"
) -> None:
    """Draws one line per method, its points joined in the order of their cost.

    Points that a paper prints are filled, those of runs are open.

    Args:
        methods: What to compare.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no method, or one has no point.

    Example:

    >>> import tempfile
    >>> methods = [Method("ResNet", [CostPoint("50", 3.96e9, 23.51), CostPoint("101", 7.67e9, 22.02)])]
    >>> draw_error_by_cost(methods, tempfile.mkdtemp() + "/methods.png")

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Fig. 4. Wang et al. (2020), *Dynamic
        Routing with Path Diversity and Consistency for Compact Network Learning*, arXiv:2005.14439, Fig. 8.
    """
    counts = {method.label: len(method.points) for method in methods}
    if not counts or not all(counts.values()):
        raise ValueError(f"`methods` must hold methods of at least one point. Received: {counts or 'none'}")
    unit, name = _choose_unit([point.macs for method in methods for point in method.points])
    with chart(path, (9, 5), title) as figure:
        axes = figure.subplots()
        for number, method in enumerate(methods):
            _draw_method(axes, method, number, unit)
        # Room for labels.
        axes.margins(x=0.08, y=0.1)
        axes.set(xlabel=f"multiply-accumulates executed per image, {name}", ylabel="test error, %")
        _scale_errors(axes, [point.error for method in methods for point in method.points])
        figure.legend(loc="outside right center")
        fix_layout(figure)
        points = [point for method in methods for point in method.points]
        places = [(point.macs / unit, point.error) for point in points]
        on_lines = [place for method in methods for place in _list_places(method, unit)]
        # Without labels: the others keep off the lines.
        write_labels(axes, [*places, *on_lines], [*(point.label for point in points), *[""] * len(on_lines)])


def _choose_unit(macs: Sequence[float]) -> tuple[float, str]:
    return (1e9, "billions") if max(macs) >= 1e9 else (1e6, "millions")


def _scale_errors(axes: Any, errors: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    if 0 < _WIDE * min(errors) < max(errors):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _list_places(method: Method, unit: float) -> list[tuple[float, float]]:
    """Returns places along the line between the points of a method."""
    points = sorted((point.macs / unit, point.error) for point in method.points)
    return [
        (x + share * (to_x - x), y + share * (to_y - y))
        for (x, y), (to_x, to_y) in itertools.pairwise(points)
        for share in np.linspace(0, 1, _PLACES)[1:-1]
    ]


def _draw_method(axes: Any, method: Method, number: int, unit: float) -> None:
    points = sorted(method.points, key=lambda point: point.macs)
    color = pick_color(number)
    look = {"marker": _MARKERS[number % len(_MARKERS)], "markerfacecolor": "white" if method.measured else color}
    across, up = [point.macs / unit for point in points], [point.error for point in points]
    axes.plot(across, up, markersize=5, linewidth=1.2, color=color, label=method.label, **look)
