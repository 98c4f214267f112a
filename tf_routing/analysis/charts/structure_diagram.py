"""The structure of a network of parallel paths, from left to right."""

import os
from collections.abc import Sequence
from typing import Any

from tf_routing.analysis.charts.style import BLUE, GREEN, GREY, INK, LINE, NOTE, RED, SHADE, chart, measure_title
from tf_routing.analysis.path_structure import Column

_COLORS = {"cross-prediction": GREEN, "cross-connection": BLUE, "cross-stitch": RED, "average": GREY}
# Inches from column to column, from a router's inputs to its outputs, from path to path, and of a box.
_STEP, _ROUTE, _PATH = 0.42, 0.75, 1.0
_BOX = (0.27, 0.8)
_PER_ROW = 11.0


def draw_structure(
    columns: Sequence[Column], path: str | os.PathLike[str], title: str = "Structure of the network"
) -> None:
    """Draws the layers of each path, and lines from path to path where routers join them.

    A circle on a line is a gate: its weight is computed from the tensor that the line comes from, for each image. Lines
    of stitches have weights that are the same for all images, and no circle. Long networks go on in further rows.

    Args:
        columns: What stands at each depth, see `path_structure`.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no column.

    Example:

    >>> import tempfile
    >>> columns = [Column("cross-connection", "CC", 1, 2), Column("layers", "C32", 2, 2), Column("average", "", 2, 1)]
    >>> draw_structure(columns, tempfile.mkdtemp() + "/structure.png")

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 2 and 4.
    """
    if not columns:
        raise ValueError("`columns` must hold at least one column. Received: none")
    rows = _break_rows(columns)
    most = max(max(column.inputs, column.outputs) for column in columns)
    width = max(max(map(_measure, rows)) + 1.0, measure_title(title))
    height = _PATH * most + 0.5
    with chart(path, (width, height * len(rows) + 0.9), title) as figure:
        for axes, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
            _draw_row(axes, row, most)
            axes.set(xlim=(-0.6, width - 0.6), ylim=(-_PATH * (most - 1) - 0.6, 0.75), aspect="equal")
            axes.axis("off")
        _draw_legend(figure, columns)


def _break_rows(columns: Sequence[Column]) -> list[list[Column]]:
    """Returns the columns in rows of one picture's width; a row ends before a router where it can."""
    rows: list[list[Column]] = [[]]
    for column in columns:
        if rows[-1] and _measure([*rows[-1], column]) > _PER_ROW:
            rows.append([])
        rows[-1].append(column)
    return rows


def _measure(columns: Sequence[Column]) -> float:
    return sum(_ROUTE + 0.1 if column.kind in _COLORS else _STEP for column in columns)


def _draw_row(axes: Any, columns: Sequence[Column], most: int) -> None:
    along = 0.0
    for column in columns:
        sources, targets = (_spread(count, most) for count in (column.inputs, column.outputs))
        if column.kind == "layers":
            for place in sources:
                axes.plot([along - _STEP / 2, along + _STEP / 2], [place, place], color=LINE, linewidth=1, zorder=0)
                _draw_box(axes, along, place, column.label)
            along += _STEP
            continue
        start, end = along - _STEP / 2, along - _STEP / 2 + _ROUTE
        for source in sources:
            for target in targets:
                _draw_link(axes, (start, source), (end, target), column.kind)
        axes.text((start + end) / 2, 0.6, column.label, ha="center", va="center", fontsize=NOTE + 1, color=INK)
        along += _ROUTE + 0.1
        for target in targets:
            axes.plot([end, end + 0.1], [target, target], color=LINE, linewidth=1, zorder=0)


def _spread(count: int, most: int) -> list[float]:
    """Returns the heights of some tensors: in the middle of all paths."""
    return [-_PATH * ((most - count) / 2 + number) for number in range(count)]


def _draw_box(axes: Any, x: float, y: float, label: str) -> None:
    from matplotlib.patches import Rectangle

    corner = x - _BOX[0] / 2, y - _BOX[1] / 2
    light = SHADE if label == "pool" else "white"
    axes.add_patch(Rectangle(corner, *_BOX, facecolor=light, edgecolor=INK, linewidth=0.9, zorder=2))
    axes.text(x, y, label, rotation=90, ha="center", va="center", fontsize=NOTE + 1.5, color=INK, zorder=3)


def _draw_link(axes: Any, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    color = _COLORS[kind]
    axes.plot(*zip(start, end, strict=True), color=color, linewidth=1.1, zorder=1)
    if kind in ("cross-prediction", "cross-connection"):
        # Where the lines of one input have parted and those of two, of up to four, have not yet crossed.
        x, y = (a + 0.2 * (b - a) for a, b in zip(start, end, strict=True))
        axes.scatter([x], [y], s=26, color="white", edgecolors=color, linewidths=1, zorder=2)


def _draw_legend(figure: Any, columns: Sequence[Column]) -> None:
    from matplotlib.lines import Line2D

    kinds = [kind for kind in _COLORS if kind != "average" and any(column.kind == kind for column in columns)]
    gated = {"cross-prediction": "o", "cross-connection": "o"}
    handles = [
        Line2D([], [], color=_COLORS[kind], marker=gated.get(kind), markerfacecolor="white", markersize=5, label=kind)
        for kind in kinds
    ]
    if handles:
        handles[-1].set_label(f"{kinds[-1]}{' (circles: gates)' if kinds[-1] in gated else ''}")
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
