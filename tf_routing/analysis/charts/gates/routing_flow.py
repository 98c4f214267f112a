"""The routing flow of some images: a row per image, or a column per image."""

import os
from collections.abc import Sequence

import numpy as np

from tf_routing.analysis.charts.gates.flow_diagram import DOWN, KEY, RIGHT, draw_flow, measure_flow
from tf_routing.analysis.charts.images import show_image
from tf_routing.analysis.charts.style import chart
from tf_routing.analysis.routing_flow import RouteFlow, routing_flows
from tf_routing.models import RoutedModel

# Inches of an image.
_IMAGE = 1.25


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

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 8.
    """
    flows = routing_flows(model, images)
    width, height = measure_flow(flows[0], RIGHT)
    # An image's row is as high as its diagram, or as the image with its title.
    size = _IMAGE + width + 0.4, max(height, _IMAGE) * len(images) + 0.2 * (len(images) + 1) + 0.2
    with chart(path, size, f"{model.name} ({', '.join(KEY)})") as figure:
        grid = figure.subplots(len(images), 2, width_ratios=(_IMAGE, width), squeeze=False)
        rows = zip(grid, images, flows, titles or [""] * len(images), strict=True)
        for (picture, diagram), image, flow, title in rows:
            show_image(picture, image, title)
            draw_flow(diagram, flow, RIGHT)


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

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 8.
    """
    if not 0 < len(images) == len(flows) == len(titles):
        counts = f"{len(flows)} flows and {len(titles)} titles of {len(images)} images"
        raise ValueError(f"`flows` and `titles` must be one per image. Received: {counts}")
    width, height = measure_flow(flows[0], DOWN)
    size = 0.3 + (width + 0.25) * len(images), 0.9 + _IMAGE + height
    with chart(path, size, title) as figure:
        # The image's row is as high in all pictures, however deep the network.
        grid = figure.subplots(2, len(images), height_ratios=(_IMAGE, height), squeeze=False)
        for (picture, diagram), image, flow, name in zip(grid.T, images, flows, titles, strict=True):
            show_image(picture, image, name)
            draw_flow(diagram, flow, DOWN)
        figure.supxlabel("\n".join(KEY))
