"""The routing flow: how strongly each path is active, and where the gates send it, layer by layer."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing.analysis.charts.displayed import displayed
from tf_routing.core.model_arguments import routed_model
from tf_routing.models import RoutedModel
from tf_routing.models.reader import Reader
from tf_routing.support.files import whole_file

_ACTIVITY, _GATE = "#c0392b", "#1f6fb4"
_ROW = 1.0


class RouteFlow(NamedTuple):
    """What one routing layer did with one image.

    Args:
        name: Name of the layer.
        inputs: Array `(inputs,)`, relative activation of each input; the shares sum to one.
        gates: Array `(inputs, paths)`; each row sums to one.
        outputs: Array `(paths,)`, relative activation of each output.
    """

    name: str
    inputs: np.ndarray
    gates: np.ndarray
    outputs: np.ndarray


def routing_flow(model: RoutedModel, image: Any) -> list[RouteFlow]:
    """Measures how one image flows through the routing layers of a multi-path model.

    The relative activation of a tensor is its mean magnitude divided by the sum of those of the tensors beside it. The
    paper takes means, which are the same after a rectifier. A standardised image has values of both signs; copies of it
    that a gate weighs are as active as the gate says, whatever the sign of the image's mean. The single input of a
    one-to-many layer counts as fully active: its ratio is always one.

    Args:
        model: A multi-path `RoutedModel`.
        image: Array `(height, width, channels)` with values in [0, 1].

    Returns:
        One `RouteFlow` per routing layer, in order of depth.

    Raises:
        ValueError: If the model has no routing layer.

    Example:

    >>> from tf_routing import zoo
    >>> flow = routing_flow(zoo.get("basecnn_2cc", width_multiplier=0.25), np.ones((32, 32, 3)))
    >>> [route.gates.shape for route in flow]
    [(1, 2), (2, 2), (2, 2), (2, 2), (2, 2)]

    Reference: Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, Fig. 8.
    """
    return _flows(model, np.asarray(image)[None])[0]


def _flows(model: RoutedModel, images: np.ndarray) -> list[list[RouteFlow]]:
    names = routed_model(model).decision_names
    if not names:
        raise ValueError(f"{model.name!r} has no routing layer, so there is no flow to draw.")
    layers = [model.get_layer(name) for name in names]
    tensors = [keras.tree.flatten(layer.input) + keras.tree.flatten(layer.output) for layer in layers]
    values = Reader(model.input, tensors).predict(images, verbose=0)
    return [
        [
            _flow(layer, [np.asarray(value)[number] for value in each])
            for layer, each in zip(layers, values, strict=True)
        ]
        for number in range(len(images))
    ]


def _flow(layer: Any, values: list[np.ndarray]) -> RouteFlow:
    gates = values[-1]
    count = gates.shape[0]
    return RouteFlow(layer.name, _shares(values[:count]), gates, _shares(values[count:-1]))


def _shares(tensors: Sequence[np.ndarray]) -> np.ndarray:
    if len(tensors) == 1:
        return np.ones(1)
    # In double precision: means of half precision may overflow.
    strengths = np.array([np.abs(np.asarray(tensor, "float64")).mean() for tensor in tensors])
    # Where nothing is active, no path is more so than another.
    return strengths / strengths.sum() if strengths.any() else np.full(len(tensors), 1 / len(tensors))


def draw_routing_flow(
    model: RoutedModel, images: np.ndarray, path: str | os.PathLike[str], titles: Sequence[str] | None = None
) -> None:
    """Draws the routing flow of some images, one row each, to a PNG file.

    Red boxes are the tensors that enter and leave each routing layer, the darker the more active; blue circles and
    lines are gates, the darker and thicker the more they let through; white boxes are the layers between routers.

    Args:
        model: A multi-path `RoutedModel`.
        images: Array `(count, height, width, channels)` with values in [0, 1], or uint8.
        path: Where to write the picture.
        titles: One title per image.

    Raises:
        ValueError: If the model has no routing layer.

    Example:

    >>> import tempfile
    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    >>> draw_routing_flow(model, np.ones((1, 32, 32, 3)), tempfile.mkdtemp() + "/flow.png")

    Reference: Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, Fig. 8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    flows = _flows(model, images)
    paths = max(len(route.outputs) for route in flows[0])
    height = 0.75 + 0.62 * paths
    # A figure of its own, not pyplot's: no window system, no global state.
    figure = Figure(figsize=(1.6 + 1.75 * len(flows[0]), height * len(images) + 0.45), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(images), 2, width_ratios=(1, 1.35 * len(flows[0])), squeeze=False)
    for (picture, diagram), image, flow, title in zip(grid, images, flows, titles or [""] * len(images), strict=True):
        picture.imshow(displayed(image), cmap="gray", interpolation="nearest")
        picture.set_title(title, fontsize=9)
        picture.axis("off")
        _draw_flow(diagram, flow, paths)
    figure.suptitle(f"{model.name}: red = share of activation, blue = gate value", fontsize=10)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_flow(axes: Any, flow: list[RouteFlow], paths: int) -> None:
    for column, route in enumerate(flow):
        left = 3.2 * column
        starts, ends = _rows(len(route.inputs), paths), _rows(len(route.outputs), paths)
        for i, y in enumerate(starts):
            _draw_box(axes, left, y, route.inputs[i])
            for j, target in enumerate(ends):
                _draw_gate(axes, left, y, target, route.gates[i, j])
        for j, y in enumerate(ends):
            _draw_box(axes, left + 2, y, route.outputs[j])
        axes.text(left + 1, paths * _ROW - 0.32, route.name.replace("_", " "), ha="center", fontsize=8, color="#444444")
        if column:
            for y in starts:
                _draw_layers(axes, left - 0.6, y)
    axes.set_xlim(-0.5, 3.2 * len(flow) - 0.7)
    axes.set_ylim(-0.6, paths * _ROW)
    axes.axis("off")


def _draw_layers(axes: Any, x: float, y: float) -> None:
    """An uncoloured box for the layers between two routers."""
    from matplotlib.patches import Rectangle

    axes.plot([x - 0.35, x + 0.35], [y, y], color="#999999", lw=1, zorder=0)
    axes.add_patch(Rectangle((x - 0.15, y - 0.28), 0.3, 0.56, facecolor="white", edgecolor="#999999", lw=0.8, zorder=1))


def _rows(count: int, paths: int) -> list[float]:
    offset = (paths - count) / 2
    return [(paths - 1 - offset - row) * _ROW for row in range(count)]


def _draw_box(axes: Any, x: float, y: float, share: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x - 0.25, y - 0.2), 0.5, 0.4, facecolor="white", edgecolor="#555555", lw=0.8, zorder=3))
    axes.add_patch(Rectangle((x - 0.25, y - 0.2), 0.5, 0.4, facecolor=_ACTIVITY, alpha=float(share), lw=0, zorder=4))
    ink = "white" if share > 0.6 else "black"
    axes.text(x, y, f"{share:.2f}", ha="center", va="center", fontsize=6.5, color=ink, zorder=5)


def _draw_gate(axes: Any, left: float, start: float, end: float, gate: float) -> None:
    weight = float(np.clip(gate, 0, 1))
    axes.plot(
        [left + 0.25, left + 1.75],
        [start, end],
        color=_GATE,
        alpha=0.12 + 0.88 * weight,
        lw=0.5 + 3.5 * weight,
        zorder=1,
    )
    # A third along the line, where the lines of one input have parted and those of two have not yet crossed.
    x, y = left + 0.72, start + (end - start) * 0.31
    axes.scatter([x], [y], s=62, color="white", edgecolors=_GATE, linewidths=0.6, zorder=2)
    axes.scatter([x], [y], s=62, color=_GATE, alpha=weight, linewidths=0, zorder=2.5)
