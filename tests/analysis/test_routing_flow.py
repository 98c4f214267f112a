"""The routing flow shows what the gates did."""

from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tf_routing import zoo
from tf_routing.analysis import draw_routing_flow, routing_flow
from tf_routing.analysis.routing_flow import _compute_shares
from tf_routing.models import RoutedModel


@cache
def net(name: str = "basecnn_2cc") -> RoutedModel:
    keras.utils.set_random_seed(0)
    return zoo.get(name, width_multiplier=0.125)


@pytest.fixture(params=["basecnn_2cc", "basecnn_3cp"])
def model(request: pytest.FixtureRequest) -> RoutedModel:
    return net(request.param)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(2).random((count, 32, 32, 3)).astype("float32")


def test_one_flow_per_routing_layer_in_order_of_depth(model: RoutedModel) -> None:
    assert [route.name for route in routing_flow(model, images(1)[0])] == model.decision_names


def test_bytes_flow_and_look_as_the_floats_that_they_stand_for(tmp_path: Path) -> None:
    seen = (255 * images(1)).round().astype("uint8")
    for own, other in zip(routing_flow(net(), seen[0]), routing_flow(net(), seen[0] / 255), strict=True):
        for found, expected in ((own.inputs, other.inputs), (own.gates, other.gates), (own.outputs, other.outputs)):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    drawn = []
    for given in (seen, seen / 255):
        draw_routing_flow(net(), given, tmp_path / "flow.png")
        drawn.append(np.asarray(Image.open(tmp_path / "flow.png"), "float64"))
    assert np.abs(drawn[0] - drawn[1]).mean() < 0.5


def test_shares_sum_to_one(model: RoutedModel) -> None:
    for route in routing_flow(model, images(1)[0]):
        assert route.inputs.shape == route.gates.shape[:1]
        assert route.outputs.shape == route.gates.shape[1:]
        for shares in (route.inputs, route.outputs):
            assert (shares >= 0).all()
            assert shares.sum() == pytest.approx(1)


def test_gates_are_those_of_the_model(model: RoutedModel) -> None:
    image = images(1)
    routes = model.routes(image)
    for route in routing_flow(model, image[0]):
        np.testing.assert_allclose(route.gates, routes[route.name][0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(route.gates.sum(axis=-1), 1, rtol=1e-5)


def test_a_single_input_is_fully_active(model: RoutedModel) -> None:
    singles = [route for route in routing_flow(model, images(1)[0]) if len(route.gates) == 1]
    assert all(route.inputs.tolist() == [1] for route in singles)


def test_the_first_cross_connection_has_one_input() -> None:
    first, *_ = routing_flow(net(), images(1)[0])
    assert first.inputs.tolist() == [1]
    assert first.gates.shape == (1, 2)


def test_activations_are_shares_of_means() -> None:
    model, image = net(), images(1)
    layer = model.get_layer("route_2")
    means = [float(np.mean(x)) for x in keras.Model(model.input, layer.input)(image, training=False)]
    route = next(route for route in routing_flow(model, image[0]) if route.name == "route_2")
    np.testing.assert_allclose(route.inputs, np.array(means) / sum(means), rtol=1e-4)


@pytest.mark.parametrize("name", ["basecnn_2cc", "basecnn_3cc"])
def test_copies_of_an_image_are_as_active_as_the_gates_say(name: str) -> None:
    # Standardised, the first has a mean below zero, the second above, the third of nearly none.
    keras.utils.set_random_seed(0)
    model = zoo.get(name, width_multiplier=0.125, standardize=([0.5] * 3, [0.25] * 3))
    for light in (0.3, 0.7, 0.5):
        first, *_ = routing_flow(model, np.clip(images(1)[0] - 0.5 + light, 0, 1))
        np.testing.assert_allclose(first.outputs, first.gates[0], rtol=1e-5)
        assert np.ptp(first.outputs) > 1e-3


@pytest.mark.parametrize(
    ("tensors", "shares"),
    [
        ([[1.0, 3.0], [6.0, 0.0]], [0.4, 0.6]),
        ([[-1.0, -3.0], [-6.0, 0.0]], [0.4, 0.6]),
        ([[-1.0, 3.0], [6.0, 0.0]], [0.4, 0.6]),
        ([[0.0, 0.0], [0.0, 0.0]], [0.5, 0.5]),
        ([[0.0, 0.0], [-1.0, 0.0], [0.0, 3.0]], [0.0, 0.25, 0.75]),
        ([[-5.0, 1.0]], [1.0]),
    ],
)
def test_shares_by_hand(tensors: list[list[float]], shares: list[float]) -> None:
    np.testing.assert_allclose(_compute_shares([np.array(each, "float32") for each in tensors]), shares, rtol=1e-12)


def test_the_drawing_is_a_picture_with_a_row_per_image(tmp_path: Path) -> None:
    sizes = [drawn(net(), count, tmp_path) for count in (1, 2)]
    assert all(300 < width < 3000 and 100 < height < 3000 for width, height in sizes)
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][1] > 1.4 * sizes[0][1]


def drawn(model: RoutedModel, count: int, folder: Path) -> tuple[int, int]:
    path = folder / f"flow_{count}.png"
    draw_routing_flow(model, images(count), path, [f"image {i}" for i in range(count)])
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
        return picture.size


def test_a_wrong_number_of_titles_draws_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        draw_routing_flow(net(), images(2), tmp_path / "flow.png", ["one"])
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_routes_has_no_flow(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'basecnn' has no routing layer"):
        routing_flow(net("basecnn"), images(1)[0])
    with pytest.raises(ValueError, match="'basecnn' has no routing layer"):
        draw_routing_flow(net("basecnn"), images(1), tmp_path / "flow.png")
    assert list(tmp_path.iterdir()) == []
