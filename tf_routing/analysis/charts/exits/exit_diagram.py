"""Where images leave networks with early exits: a circle per exit, its area the share of the images."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis.charts.exits.exit_layout import Layout, Point, branches, exit_layout, least_distance
from tf_routing.analysis.charts.style import (
    GREEN,
    GREY,
    RED,
    add_panels,
    chart,
    measure_label,
    measure_title,
    pick_many_colors,
    shape_grid,
)
from tf_routing.analysis.exit_use import SLICES, ExitUse, class_count
from tf_routing.exit_tree import Stage, parts, steps
from tf_routing.support.validation import one_of

_LEAST_SHARE = 0.0025
# Of the distance of neighbours: two circles that share all images do not touch. In two rows each may hold all.
_RADIUS, _ROW = 0.65, 1.4
# Panels side by side, classes below each other, inches of a unit, and units around a panel.
_COLUMNS, _LEGEND, _INCHES, _AIR = 2, 20, 0.55, 0.75

_Panel = list[tuple[ExitUse, Layout]]


def draw_exit_diagram(
    networks: Sequence[ExitUse],
    path: str | os.PathLike[str],
    by: str = "correctness",
    class_names: Sequence[str] | None = None,
    title: str = "Where images leave",
) -> None:
    """Draws a circle per exit, its area the share of the images that leave there, its slices which images these are.

    Chains become rows, the first at the bottom. Where a network branches, each has a panel, and its branches spread. An
    exit with less than 0.25 % of the images is a black dot.

    Args:
        networks: The networks.
        path: Picture to write; its ending tells the format.
        by: What slices show: `"correctness"` of the answers, or the true `"class"`.
        class_names: Names by class index; numbers where not given.
        title: Title of the picture.

    Raises:
        ValueError: If there is no network, its counts are not of its exits or of no image, or there are other than one
            name per class.

    Example:

    >>> import tempfile
    >>> from tf_routing.exit_tree import Exit, Stage
    >>> fork = Stage(("column_1",), "junction_1", (Exit("exit_1"), Stage(("column_2",), None, (Exit("exit_2"),))))
    >>> counts = {"exit_1": {"correct": [5, 4], "incorrect": [0, 1]}}
    >>> counts["exit_2"] = {"correct": [3, 2], "incorrect": [1, 0]}
    >>> draw_exit_diagram([ExitUse("8e-09", fork, counts)], tempfile.mkdtemp() + "/exits.png", by="class")

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, Fig. 6 and 7.
    """
    one_of("by", by, SLICES)
    colors = _choose_colors(by, class_count(networks), class_names)
    panels = _lay_out(networks)
    width, height = _measure_size(panels, min(len(colors), _LEGEND))
    with chart(path, (max(width, measure_title(title)), height), title) as figure:
        for axes, panel in zip(add_panels(figure, len(panels), _COLUMNS), panels, strict=True):
            _draw_panel(axes, panel, by, list(colors.values()))
        from matplotlib.patches import Patch

        patches = [Patch(color=color) for color in colors.values()]
        figure.legend(patches, colors, loc="outside right center", ncols=-(-len(colors) // _LEGEND))
        figure.supxlabel("area of a circle: share of the images that leave there")


def _choose_colors(by: str, classes: int, names: Sequence[str] | None) -> dict[str, Any]:
    names = [str(number) for number in range(classes)] if names is None else names
    if len(names) != classes:
        raise ValueError(f"`class_names` must hold {classes} names. Received: {len(names)}")
    if by == "correctness":
        return {"correct": GREEN, "incorrect": RED}
    return dict(zip(names, pick_many_colors(classes), strict=True))


def _lay_out(networks: Sequence[ExitUse]) -> list[_Panel]:
    if all(branches(each.tree) == 1 for each in networks):
        return [[(each, exit_layout(each.tree, row * _ROW)) for row, each in enumerate(networks)]]
    return [[(each, exit_layout(each.tree))] for each in networks]


def _measure_size(panels: Sequence[_Panel], lines: int) -> tuple[float, float]:
    """Returns the inches of a picture with room for the panels, and for as many lines of a legend."""
    rows, columns = shape_grid(len(panels), _COLUMNS)
    limits = np.array([_find_limits(panel) for panel in panels])
    width, height = _INCHES * (limits[:, 1] - limits[:, 0]).max(axis=0)
    sides = 2.2 + max(measure_label(network.label) for panel in panels for network, _ in panel)
    return sides + columns * width, max(1 + rows * (height + 0.5), 0.6 + 0.2 * lines)


def _find_limits(panel: _Panel) -> tuple[np.ndarray, np.ndarray]:
    places = np.array([place for _, layout in panel for place in layout.exits.values()])
    return places.min(axis=0) - _AIR, places.max(axis=0) + _AIR


def _draw_panel(axes: Any, panel: _Panel, by: str, colors: Sequence[Any]) -> None:
    radius = _RADIUS * min(least_distance(layout) for _, layout in panel)
    for network, layout in panel:
        for link in layout.links:
            axes.plot(*zip(*link, strict=True), color=GREY, linewidth=0.6, zorder=0)
        for leaf, share in network.shares().items():
            if share < _LEAST_SHARE:
                _draw_pie(axes, layout.exits[leaf], radius * _LEAST_SHARE**0.5, [1], ["black"])
            else:
                _draw_pie(axes, layout.exits[leaf], radius * share**0.5, network.slices(leaf, by), colors)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    # Limits give way, not the box, whose place is that of its labels.
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0)
    axes.update_datalim(_find_limits(panel))
    axes.autoscale_view()
    axes.tick_params(length=0)
    if branches(panel[0][0].tree) == 1:
        _label_rows(axes, panel)
    else:
        axes.set_title(panel[0][0].label)


def _draw_pie(axes: Any, place: Point, radius: float, slices: Sequence[int], colors: Sequence[Any]) -> None:
    from matplotlib.patches import Wedge

    # From the top on.
    ends = 90 + 360 * np.cumsum([0, *slices]) / sum(slices)
    for color, start, end in zip(colors, ends[:-1], ends[1:], strict=True):
        if end > start:
            axes.add_patch(Wedge(place, radius, start, end, color=color, linewidth=0))


def _label_rows(axes: Any, panel: _Panel) -> None:
    places = sorted({x for _, layout in panel for x, _ in layout.exits.values()})
    axes.set_xticks(places, [f"{1 + place:.0f}" for place in places])
    axes.set_yticks([row * _ROW for row in range(len(panel))], [network.label for network, _ in panel])
    stages = (part for network, _ in panel for part in parts(network.tree) if isinstance(part, Stage))
    unit = "columns" if all(steps(stage) == stage.columns for stage in stages) else "stages"
    axes.set_xlabel(f"{unit} run before leaving")
