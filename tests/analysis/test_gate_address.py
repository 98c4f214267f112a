"""Gates are addressed as the paper counts them, and a wrong address says what there is."""

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.analysis import GateAddress, find_gate, gate_values, list_gates, routing_layers
from tf_routing.models import RoutedModel


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    keras.utils.set_random_seed(0)
    return zoo.get("basecnn_3cp", width_multiplier=0.125, input_shape=(16, 16, 3))


def test_all_gates_in_order(model: RoutedModel) -> None:
    assert [layer.name for layer in routing_layers(model)] == ["route_1", "route_2", "route_3", "route_4"]
    expected = [(1, 1, j) for j in (1, 2, 3)]
    expected += [(layer, i, j) for layer in (2, 3, 4) for i in (1, 2, 3) for j in (1, 2, 3)]
    assert list_gates(model) == expected


@pytest.mark.parametrize("text", ["g[2][3,1]", "g[2][3, 1]", " g [2] [ 3 ,1 ] "])
def test_spaces_do_not_matter(model: RoutedModel, text: str) -> None:
    found = find_gate(model, text)
    assert found == GateAddress(layer=2, input=3, output=1)
    assert str(found) == "g[2][3,1]" and find_gate(model, found) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g2_31", "A gate must be written g[l][i,j], for example g[2][2,1]: "),
        ("g[2][31]", "Received: 'g[2][31]'. 'basecnn_3cp' has inputs x outputs g[1]: 1 x 3, g[2]: 3 x 3, "),
        ("g[1][2,1]", "Unknown gate 'g[1][2,1]'. Did you mean: "),
        ("g[2][1,4]", "'basecnn_3cp' has inputs x outputs g[1]: 1 x 3, g[2]: 3 x 3, g[3]: 3 x 3, g[4]: 3 x 3."),
        ("g[0][1,1]", "Unknown gate 'g[0][1,1]'"),
        ("g[5][1,1]", "Unknown gate 'g[5][1,1]'"),
    ],
)
def test_a_wrong_address_says_what_there_is(model: RoutedModel, text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        find_gate(model, text)
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["basecnn", "drn_resnet32"])
def test_other_networks_have_no_such_gates(name: str) -> None:
    other = zoo.get(name, width_multiplier=0.125)
    with pytest.raises(ValueError, match=f"'{name}' has no routing layer"):
        find_gate(other, "g[1][1,1]")


def test_values_are_those_of_the_routes(model: RoutedModel) -> None:
    images = np.random.default_rng(1).random((5, 16, 16, 3)).astype("float32")
    routes = model.routes(images)
    values = gate_values(model, ["g[1][1,3]", "g[4][2,1]"], images, batch_size=2)
    assert list(values) == [(1, 1, 3), (4, 2, 1)]
    np.testing.assert_allclose(values[GateAddress(1, 1, 3)], routes["route_1"][:, 0, 2], rtol=1e-5)
    np.testing.assert_allclose(values[GateAddress(4, 2, 1)], routes["route_4"][:, 1, 0], rtol=1e-5)
