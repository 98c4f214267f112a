"""The routing flow of several images side by side, each from top to bottom."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis.charts.displayed import displayed
from tf_routing.analysis.charts.gates.routing_flow import RouteFlow
from tf_routing.support.files import whole_file

_ACTIVITY, _GATE = "#c0392b", "#1f6fb4"
# In units of a box's width: from router to router, from a router's inputs to its outputs, and between paths.
_PERIOD, _DEPTH, _PATH = 2.6, 1.5, 1.5
_INCH = 0.5


def draw_flow_panels(
    flows: Sequence[Sequence[RouteFlow]],
    images: np.ndarray,
    path: str | os.PathLike[str],
    titles: Sequence[str],
    title: str = "Routing flow",
) -> None:
    """Draws one panel per image: the image above, and below it what each routing layer did with it.

    Red boxes are the tensors that enter and leave each routing layer, the darker the more active; blue circles and
    lines are gates, the darker and thicker the more they let through; white boxes are the layers between routers.

    Args:
        flows: The flow of each image through one network, see `routing_flow`.
        images: Array `(count, height, width, channels)` with values in [0, 1].
        path: Picture to write; its ending tells the format.
        titles: One title per image.
        title: Title of the picture.

    Raises:
        ValueError: If there is no image, or other than one flow and one title per image.

    Example:

    >>> import tempfile
    >>> from tf_routing import zoo
    >>> model, images = zoo.get("basecnn_2cc", width_multiplier=0.25), np.ones((2, 32, 32, 3))
    >>> flows = [routing_flow(model, image) for image in images]
    >>> draw_flow_panels(flows, images, tempfile.mkdtemp() + "/flow.png", ["a", "b"])

    Reference: Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, Fig. 8.
    """
    from matplotlib.figure import Figure

    if not 0 < len(images) == len(flows) == len(titles):
        counts = f"{len(flows)} flows and {len(titles)} titles of {len(images)} images"
        raise ValueError(f"`flows` and `titles` must be one per image. Received: {counts}")
    paths = max(len(route.outputs) for route in flows[0])
    extent = (_PATH * paths + 1.1) * _INCH, (_PERIOD * len(flows[0]) - 0.3) * _INCH
    size = 0.3 + (extent[0] + 0.25) * len(images), 2.1 + extent[1]
    figure = Figure(figsize=size, layout="constrained")
    # The image's row is as high in all pictures, however deep the network.
    grid = figure.subplots(2, len(images), height_ratios=(1.3, extent[1]), squeeze=False)
    for (picture, diagram), image, flow, name in zip(grid.T, images, flows, titles, strict=True):
        picture.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        picture.set_title(name, fontsize=10)
        picture.axis("off")
        _draw_flow(diagram, flow, paths)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel("red: share of activation\nblue: gate value", fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _draw_flow(axes: Any, flow: Sequence[RouteFlow], paths: int) -> None:
    for number, route in enumerate(flow):
        top = -_PERIOD * number
        starts, ends = _places(len(route.inputs), paths), _places(len(route.outputs), paths)
        for i, start in enumerate(starts):
            if number:
                _draw_layers(axes, start, top + (_PERIOD - _DEPTH) / 2)
            _draw_box(axes, start, top, route.inputs[i])
            for j, end in enumerate(ends):
                _draw_gate(axes, (start, top), (end, top - _DEPTH), route.gates[i, j])
        for j, end in enumerate(ends):
            _draw_box(axes, end, top - _DEPTH, route.outputs[j])
        axes.text(
            -0.75, top - _DEPTH / 2, route.name.replace("_", " "), ha="center", va="center", fontsize=7, rotation=90
        )
    axes.set_xlim(-1.0, _PATH * (paths - 1) + 0.6)
    axes.set_ylim(-_PERIOD * (len(flow) - 1) - _DEPTH - 0.4, 0.4)
    axes.set_aspect("equal")
    axes.axis("off")


def _places(count: int, paths: int) -> list[float]:
    return [_PATH * ((paths - count) / 2 + each) for each in range(count)]


def _draw_layers(axes: Any, x: float, y: float) -> None:
    """An uncoloured box for the layers between two routers."""
    from matplotlib.patches import Rectangle

    axes.plot([x, x], [y - 0.4, y + 0.4], color="#999999", lw=1, zorder=0)
    axes.add_patch(Rectangle((x - 0.4, y - 0.12), 0.8, 0.24, facecolor="white", edgecolor="#999999", lw=0.8, zorder=1))


def _draw_box(axes: Any, x: float, y: float, share: float) -> None:
    from matplotlib.patches import Rectangle

    place: dict[str, Any] = {"xy": (x - 0.4, y - 0.25), "width": 0.8, "height": 0.5}
    axes.add_patch(Rectangle(**place, facecolor="white", edgecolor="#555555", lw=0.8, zorder=3))
    axes.add_patch(Rectangle(**place, facecolor=_ACTIVITY, alpha=float(share), lw=0, zorder=4))
    ink = "white" if share > 0.6 else "black"
    axes.text(x, y, f"{share:.2f}", ha="center", va="center", fontsize=7, color=ink, zorder=5)


def _draw_gate(axes: Any, start: tuple[float, float], end: tuple[float, float], gate: float) -> None:
    weight = float(np.clip(gate, 0, 1))
    look = {"color": _GATE, "alpha": 0.12 + 0.88 * weight, "lw": 0.5 + 3 * weight}
    axes.plot([start[0], end[0]], [start[1], end[1]], zorder=1, **look)
    # A third along the line, where the lines of one input have parted and those of two have not yet crossed.
    x, y = (a + 0.33 * (b - a) for a, b in zip(start, end, strict=True))
    axes.scatter([x], [y], s=48, color="white", edgecolors=_GATE, linewidths=0.6, zorder=2)
    axes.scatter([x], [y], s=48, color=_GATE, alpha=weight, linewidths=0, zorder=2.5)
