"""The diagram of a routing flow, from left to right or from top to bottom."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.style import BLUE, INK, LINE, NOTE, RED
from tf_routing.analysis.routing_flow import RouteFlow

KEY = ("red: share of activation", "blue: gate value")
"""What the colours mean."""
INCH = 0.625
"""Inches of a unit of length."""
# In units: the width and height of a tensor's box, and how long and how wide the box of the layers between routers is.
_BOX = (0.8, 0.5)
_LAYERS = (0.24, 0.8)
# Shares above it are written in white.
_DARK = 0.6


class _Direction(NamedTuple):
    """Which way a flow goes; lengths in units."""

    downwards: bool
    period: float
    """From router to router."""
    depth: float
    """From a router's inputs to its outputs."""
    path: float
    """From path to path."""
    link: float
    """Half of the line through the layers between routers."""

    def place(self, along: float, across: float) -> tuple[float, float]:
        """Returns x and y of a place so far along the flow, and so far from its first path."""
        return (across, -along) if self.downwards else (along, -across)


DOWN = _Direction(True, period=2.6, depth=1.5, path=1.5, link=0.4)
RIGHT = _Direction(False, period=3.4, depth=2.2, path=1.1, link=0.45)


def measure_flow(flow: Sequence[RouteFlow], direction: _Direction) -> tuple[float, float]:
    """Returns the width and height of a diagram in inches."""
    (left, right), (low, high) = _find_limits(flow, direction)
    return (right - left) * INCH, (high - low) * INCH


def draw_flow(axes: Any, flow: Sequence[RouteFlow], direction: _Direction) -> None:
    """Draws what each routing layer did with one image.

    Red boxes are the tensors that enter and leave each routing layer, the darker the more active; blue circles and
    lines are gates, the darker and thicker the more they let through; white boxes are the layers between routers.

    Args:
        axes: The axes.
        flow: The routing layers in order of depth.
        direction: `DOWN` or `RIGHT`.
    """
    for number, route in enumerate(flow):
        start = direction.period * number
        end = start + direction.depth
        sources, targets = (_spread(len(shares), flow, direction) for shares in (route.inputs, route.outputs))
        for i, source in enumerate(sources):
            if number:
                _draw_layers(axes, start - (direction.period - direction.depth) / 2, source, direction)
            _draw_box(axes, direction.place(start, source), route.inputs[i])
            for j, target in enumerate(targets):
                _draw_gate(axes, direction.place(start, source), direction.place(end, target), route.gates[i, j])
        for j, target in enumerate(targets):
            _draw_box(axes, direction.place(end, target), route.outputs[j])
        _write_name(axes, route.name.replace("_", " "), (start + end) / 2, direction)
    (left, right), (low, high) = _find_limits(flow, direction)
    axes.set(xlim=(left, right), ylim=(low, high), aspect="equal")
    axes.axis("off")


def _find_limits(flow: Sequence[RouteFlow], direction: _Direction) -> tuple[tuple[float, float], tuple[float, float]]:
    along = direction.period * (len(flow) - 1) + direction.depth
    across = direction.path * (_count_paths(flow) - 1)
    # Room for boxes on all sides, and for names beside the first path.
    if direction.downwards:
        return (-1.0, across + 0.6), (-along - 0.4, 0.4)
    return (-0.6, along + 0.6), (-across - 0.5, 0.8)


def _count_paths(flow: Sequence[RouteFlow]) -> int:
    return max(len(route.outputs) for route in flow)


def _spread(count: int, flow: Sequence[RouteFlow], direction: _Direction) -> list[float]:
    """Returns how far from the first path some tensors stand: in the middle of all paths."""
    return [direction.path * ((_count_paths(flow) - count) / 2 + number) for number in range(count)]


def _write_name(axes: Any, name: str, along: float, direction: _Direction) -> None:
    x, y = direction.place(along, -0.75 if direction.downwards else -0.55)
    rotation = 90 if direction.downwards else 0
    axes.text(x, y, name, ha="center", va="center", fontsize=NOTE, rotation=rotation, color=INK)


def _draw_layers(axes: Any, along: float, across: float, direction: _Direction) -> None:
    """Draws an uncoloured box for the layers between two routers."""
    ends = [direction.place(along + way * direction.link, across) for way in (-1, 1)]
    axes.plot(*zip(*ends, strict=True), color=LINE, lw=1, zorder=0)
    width, height = reversed(_LAYERS) if direction.downwards else _LAYERS
    _add_rectangle(axes, direction.place(along, across), width, height, facecolor="white", edgecolor=LINE, zorder=1)


def _draw_box(axes: Any, place: tuple[float, float], share: float) -> None:
    _add_rectangle(axes, place, *_BOX, facecolor="white", edgecolor=INK, zorder=3)
    _add_rectangle(axes, place, *_BOX, facecolor=RED, alpha=float(share), lw=0, zorder=4)
    ink = "white" if share > _DARK else "black"
    axes.text(*place, f"{share:.2f}", ha="center", va="center", fontsize=NOTE, color=ink, zorder=5)


def _add_rectangle(axes: Any, place: tuple[float, float], width: float, height: float, **look: Any) -> None:
    from matplotlib.patches import Rectangle

    corner = place[0] - width / 2, place[1] - height / 2
    axes.add_patch(Rectangle(corner, width, height, **{"lw": 0.8, **look}))


def _draw_gate(axes: Any, start: tuple[float, float], end: tuple[float, float], gate: float) -> None:
    weight = float(np.clip(gate, 0, 1))
    axes.plot(*zip(start, end, strict=True), color=BLUE, alpha=0.12 + 0.88 * weight, lw=0.5 + 3 * weight, zorder=1)
    # A third along the line, where the lines of one input have parted and those of two have not yet crossed.
    x, y = (a + 0.33 * (b - a) for a, b in zip(start, end, strict=True))
    axes.scatter([x], [y], s=62, color="white", edgecolors=BLUE, linewidths=0.6, zorder=2)
    axes.scatter([x], [y], s=62, color=BLUE, alpha=weight, linewidths=0, zorder=2.5)
