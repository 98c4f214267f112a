"""Flows stand side by side: one column per image, and in it the shares and gates that were measured."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from tests.analysis.drawn import saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import draw_flow_panels
from tf_routing.analysis.routing_flow import RouteFlow


def flow(seed: int, layers: int = 3) -> list[RouteFlow]:
    rng = np.random.default_rng(seed)
    inputs = [1] + [2] * (layers - 1)
    return [
        RouteFlow(f"route_{n}", rng.dirichlet(np.ones(i)), rng.dirichlet(np.ones(2), i), rng.dirichlet(np.ones(2)))
        for n, i in enumerate(inputs, 1)
    ]


def test_one_column_per_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    flows, images = [flow(1), flow(2), flow(3)], np.random.default_rng(0).random((3, 8, 8, 3))
    draw_flow_panels(flows, images, tmp_path / "flow.png", ["bird", "bird", "ray"], "Flow")
    (figure,) = figures
    pictures, diagrams = figure.axes[:3], figure.axes[3:]
    assert [axes.get_title() for axes in pictures] == ["bird", "bird", "ray"] and figure.get_suptitle() == "Flow"
    for picture, diagram, image, own in zip(pictures, diagrams, images, flows, strict=True):
        np.testing.assert_array_equal(picture.images[0].get_array(), image)
        above, below = picture.get_position(), diagram.get_position()
        assert above.y0 > below.y1 and below.x0 < (above.x0 + above.x1) / 2 < below.x1
        shares = [f"{share:.2f}" for route in own for share in (*route.inputs, *route.outputs)]
        assert [text.get_text() for text in diagram.texts if "." in text.get_text()] == shares
        names = [text.get_text() for text in diagram.texts if "route" in text.get_text()]
        assert names == ["route 1", "route 2", "route 3"]
        # The filled circles, whose intensity is the gate's value.
        circles = [each for each in diagram.collections if isinstance(each, PathCollection)][1::2]
        gates = [gate for route in own for gate in route.gates.ravel()]
        np.testing.assert_allclose([circle.get_alpha() for circle in circles], gates)
        heights = [circle.get_offsets()[0][1] for circle in circles]
        assert heights == sorted(heights, reverse=True)
    size_of(tmp_path / "flow.png")


def test_images_add_to_the_width_and_layers_to_the_height(tmp_path: Path) -> None:
    sizes = []
    for count, layers in ((1, 3), (2, 3), (1, 7)):
        folder = tmp_path / f"{count}_{layers}"
        folder.mkdir()
        draw_flow_panels([flow(0, layers)] * count, np.ones((count, 8, 8, 1)), folder / "flow.png", ["x"] * count)
        sizes.append(size_of(folder / "flow.png"))
    one, two, deep = sizes
    assert two[1] == one[1] and two[0] > 1.7 * one[0] - 100
    assert deep[0] == one[0] and deep[1] - one[1] == pytest.approx(4 * 2.6 * 0.5 * 150, abs=2)


@pytest.mark.parametrize(("flows", "images", "titles"), [(0, 0, 0), (1, 2, 2), (2, 2, 1)])
def test_everything_is_one_per_image(flows: int, images: int, titles: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_flow_panels([flow(0)] * flows, np.ones((images, 8, 8, 3)), tmp_path / "flow.png", ["x"] * titles)
    assert f"Received: {flows} flows and {titles} titles of {images} images" in str(error.value)
    assert list(tmp_path.iterdir()) == []
