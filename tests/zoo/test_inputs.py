"""Networks that read images of any size, or a tensor of the user's own graph, as those of `keras.applications` do."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.few_layers import few_layers
from tf_routing import zoo
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.builders.parts.residual import pool_shortcut

_SMALL = {"width_multiplier": 0.0625, "classes": 5}
# One of each kind: paths, blocks that are skipped, sub-blocks that may all be off, columns.
_ANY_SIZE: dict[str, dict[str, Any]] = {
    "basecnn_2cc": {},
    "drn_resnet32": {},
    "dmnn50_cifar_n2": {"force_one": False},
    "decide_chain8": {},
}


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        # A block for each size of maps.
        for name, blocks in (("drn_resnet32", (1, 1, 1)), ("dmnn50_cifar_n2", (1, 1, 1, 1))):
            line = ARCHITECTURES[name]
            patch.setitem(ARCHITECTURES, name, line._replace(arguments={**line.arguments, "stage_blocks": blocks}))
        yield


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(*shape, 3)).astype("float32")


@pytest.mark.parametrize("name", _ANY_SIZE)
def test_a_network_for_any_size_is_that_of_each_size(name: str) -> None:
    arguments = {**_SMALL, **_ANY_SIZE[name], "include_top": False}
    model = zoo.get(name, input_shape=(None, None, 3), **arguments)
    x = images(4, 32, 64)
    same = zoo.get(name, input_shape=(32, 64, 3), **arguments)
    if model.decision_names and not name.startswith(("basecnn", "decide")):
        # So that some blocks run for some images only.
        tf_routing.calibrate(same, x, rate=0.5)
    model.set_weights(same.get_weights())
    assert model.output_shape[:3] == (None, None, None) and same.output_shape[1:3] != (None, None)
    expected = same.predict(x, verbose=0)
    for count in (4, 1):
        np.testing.assert_allclose(model.predict(x[:count], verbose=0), expected[:count], rtol=1e-4, atol=1e-5)
    for decision, values in same.routes(x).items():
        np.testing.assert_array_equal(model.routes(x)[decision].round(4), values.round(4))
    assert model(images(2, 64, 32)).shape[1:3] == expected.shape[2:0:-1]
    with pytest.raises(ValueError, match="build it with a fixed `input_shape`"):
        _ = model.static_cost


@pytest.mark.parametrize("name", ["blockdrop_32", "act_resnet32", "sact_resnet32"])
def test_shortcuts_that_average_end_with_maps_as_large_as_those_of_strided_convolutions(name: str) -> None:
    model = zoo.get(name, input_shape=(17, 19, 3), include_top=False, **_SMALL)
    assert model.output_shape[1:3] == (5, 5)


def test_shortcuts_average_the_places_that_there_are() -> None:
    inputs = keras.Input((3, 5, 2))
    model = keras.Model(inputs, pool_shortcut(3, 2, inputs))
    x = images(2, 3, 5)[..., :2]
    expected = np.zeros((2, 2, 3, 3), "float32")
    for row in range(2):
        for column in range(3):
            window = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            expected[:, row, column, :2] = window.mean(axis=(1, 2))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)


def test_a_tensor_of_ones_own_is_what_the_network_reads(tmp_path: Any) -> None:
    source = keras.Input((16, 16, 3), name="bytes")
    model = zoo.get("drn_resnet32", input_tensor=keras.layers.Rescaling(1 / 255)(source), **_SMALL)
    plain = zoo.get("drn_resnet32", input_shape=(16, 16, 3), **_SMALL)
    model.set_weights(plain.get_weights())
    model.input_range = (0, 255)
    x = images(3, 16, 16)
    expected = plain.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x * 255, verbose=0), expected, atol=1e-5)
    assert model.input is source and model.static_cost == plain.static_cost
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(again.predict((x * 255).astype("uint8"), verbose=0), expected, atol=0.02)


def test_released_weights_go_with_both() -> None:
    released = zoo.get("decide_chain8", weights="hybrid", include_top=False)
    source = keras.Input((None, None, 3))
    model = zoo.get("decide_chain8", weights="hybrid", include_top=False, input_tensor=source)
    assert model.input is source
    x = images(2, 32, 32)
    np.testing.assert_allclose(model.predict(x, verbose=0), released.predict(x, verbose=0), atol=1e-5)


def test_what_cannot_be_read_is_named() -> None:
    tensor = keras.Input((32, 32, 3))
    both = keras.layers.Add()([tensor, keras.Input((32, 32, 3))])
    wrong = {
        r"`input_shape` may leave height and width open with include_top=False only": {"input_shape": (None, None, 3)},
        r"`input_shape` must be \(height, width, channels\)": {"input_shape": (None, None, None), "include_top": False},
        "`input_tensor` must be a symbolic tensor.* Received: ndarray": {"input_tensor": images(1, 32, 32)},
        r"`input_tensor` must hold float images.* Received: shape \(None, 3\)": {"input_tensor": keras.Input((3,))},
        "Received: shape .*dtype uint8": {"input_tensor": keras.Input((32, 32, 3), dtype="uint8")},
        r"`input_shape` must be that of `input_tensor`, \(32, 32, 3\)": {
            **{"input_tensor": tensor, "input_shape": (16, 16, 3)}
        },
        "`input_tensor` must come from one `keras.Input`": {"input_tensor": both},
    }
    for words, arguments in wrong.items():
        with pytest.raises(ValueError, match=words):
            zoo.get("drn_resnet32", **arguments)
    with pytest.raises(ValueError, match="`input_tensor` cannot be that of an ensemble"):
        zoo.get("basecnn_ensemble3", input_tensor=tensor)
