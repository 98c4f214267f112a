"""Quantisation: refused for a routed model; within other models routers stay floats, and what is saved loads."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conformance.subjects import LAYERS, images, layer_batch, layer_model, rich_model, small
from tf_routing import fold_batch_norm

WITH_DENSE = ("gate_maps", "controller_next", "skip_router_linear", "router_memory_next", "junction_next")
WITH_DENSE += ("squeeze_excite_hidden", "cross_prediction_vectors", "cross_connection_maps")
MODES = ("int8", "int4", "float8")

pytestmark = pytest.mark.filterwarnings("ignore:Layer .* (does not have a .quantize. method|is part of another layer)")


@pytest.mark.parametrize("mode", MODES)
def test_a_routed_model_refuses_in_one_sentence_what_to_do_instead(mode: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"dense layers alone.*mixed_float16.*mode='{mode}'"):
        rich_model().quantize(mode)


@pytest.fixture
def restored() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("name", ["basecnn", "resnet20_2cc", "dmnn50_cifar_n2", "drn_resnet32", "decide_chain8"])
def test_a_net_is_not_built_of_quantised_numbers(name: str) -> None:
    keras.config.set_dtype_policy("int8_from_float32")
    with pytest.raises(ValueError, match=f"{name} computes in floats only.*Received: dtype policy 'int8_from_float32'"):
        small(name)


@pytest.mark.parametrize("name", WITH_DENSE)
def test_a_layer_is_not_built_of_quantised_numbers(name: str) -> None:
    subject = LAYERS[name]
    with pytest.raises(ValueError, match="computes in floats only.*'int8_from_float32'"):
        layer_model(subject._replace(arguments={**subject.arguments, "dtype": "int8_from_float32"}))


@pytest.mark.parametrize("name", WITH_DENSE)
def test_what_a_layer_owns_stays_floats_and_the_file_loads(name: str, tmp_path: Path) -> None:
    model, x = layer_model(LAYERS[name]), layer_batch(LAYERS[name])
    model.quantize("int8")
    layers = {layer.path: layer.dtype_policy.quantization_mode for layer in model._flatten_layers(include_self=False)}
    assert [path for path, mode in layers.items() if mode] == ["prediction"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))


# The layers outside are those of Keras, in each of its modes.
@pytest.mark.parametrize(
    "mode", [mode if mode == "int8" else pytest.param(mode, marks=pytest.mark.heavy) for mode in MODES]
)
def test_a_routed_model_within_a_quantised_one_is_saved_and_folded(mode: str, tmp_path: Path) -> None:
    routed, x = rich_model(), images("rich")
    before = routed.routes(x)
    model = keras.Sequential([keras.Input((8, 8, 3)), routed, keras.layers.Dense(3)])
    model.quantize(mode)
    model.save(tmp_path / "model.keras")
    for again in (keras.saving.load_model(tmp_path / "model.keras"), fold_batch_norm(model)):
        np.testing.assert_allclose(np.asarray(again(x)), np.asarray(model(x)), atol=1e-6)
    for name, decided in routed.routes(x).items():
        np.testing.assert_array_equal(decided, before[name])
