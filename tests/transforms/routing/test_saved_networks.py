"""A network with routing added is saved, loaded, copied, folded and exported as those of the zoo are."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import NETS, draw_scores, images, own_net
from tf_routing.transforms.routing.flat_calls import list_calls
from tf_routing.transforms.routing.network_range import find_range

_OTHERS = [kind for kind in NETS if kind != "squeezed"]


def routed(kind: str, **arguments: object) -> tf_routing.RoutedModel:
    """Returns a network some of whose images skip some blocks."""
    copy = tf_routing.add_routing(own_net(kind), input_range=(0, 255), **arguments)
    draw_scores(copy)
    with warnings.catch_warnings():
        # Where scores are alike a share is missed.
        warnings.simplefilter("ignore")
        tf_routing.calibrate(copy, images(), 0.5)
    return copy


@pytest.mark.parametrize("kind", NETS)
def test_a_saved_network_answers_the_same(kind: str, tmp_path: Path) -> None:
    copy, x = routed(kind), images()
    copy.save(tmp_path / "copy.keras")
    loaded = keras.saving.load_model(tmp_path / "copy.keras")
    cloned = keras.models.clone_model(copy)
    cloned.set_weights(copy.get_weights())
    for each in (loaded, cloned):
        # Bytes too, whose range is no part of the graph. Layers that augment do so unless told that nothing trains.
        for given in (x, x.astype("uint8")):
            np.testing.assert_array_equal(each(given, training=False), copy(given, training=False))
        assert each.input_range == (0, 255)
    assert len(loaded.trainable_weights) == len(copy.trainable_weights)


@pytest.mark.parametrize("kind", NETS)
def test_a_folded_network_answers_the_same(kind: str) -> None:
    copy, x = routed(kind), images()
    folded = tf_routing.fold_batch_norm(copy)
    np.testing.assert_allclose(folded(x, training=False), copy(x, training=False), atol=1e-5)
    assert folded.input_range == (0, 255)
    assert folded.static_cost == copy.static_cost


def test_an_export_skips_and_takes_what_the_network_takes(tmp_path: Path) -> None:
    import tensorflow as tf

    copy, x = routed("squeezed"), images()
    tf_routing.export(copy, tmp_path / "folder")
    signatures = tf.saved_model.load(str(tmp_path / "folder")).signatures
    expected = copy.predict(x, verbose=0)
    np.testing.assert_allclose(signatures["serving_default"](tf.constant(x))["probabilities"], expected, atol=1e-5)
    of_bytes = tf.constant(x.astype("uint8"))
    answers = signatures["serve_uint8"](of_bytes)["probabilities"]
    np.testing.assert_allclose(answers, copy.predict(x.astype("uint8"), verbose=0), atol=1e-5)
    routes = signatures["routes"](tf.constant(x))
    np.testing.assert_array_equal(routes["macs"], copy.cost(x))
    assert len(set(np.asarray(routes["macs"]).tolist())) > 1
    picture = tf.io.encode_png(of_bytes[0])
    np.testing.assert_allclose(
        signatures["serve_encoded"](picture[None])["probabilities"], copy(x[:1].astype("uint8")), atol=1e-5
    )
    assert '"input_range": [\n    0.0,\n    255.0\n  ]' in (tmp_path / "folder/assets/card.json").read_text("utf-8")
    assert "Images are floats in [0, 255]" in (tmp_path / "folder/assets/card.md").read_text("utf-8")


@pytest.mark.parametrize("taken", [(0, 255), (-1, 1), (0, 1), (-127.5, 127.5)])
def test_bytes_are_brought_to_the_range(taken: tuple[float, float]) -> None:
    copy = tf_routing.add_routing(own_net(), input_range=taken)
    x = images().astype("uint8")
    low, high = taken
    np.testing.assert_allclose(copy(x), copy(x / 255 * (high - low) + low), atol=1e-5)


def test_the_range_is_found_or_said_to_be_assumed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tf_routing.add_routing(own_net("squeezed")).input_range == (0, 255)
    with pytest.warns(UserWarning, match="bytes are assumed"):
        assert tf_routing.add_routing(own_net()).input_range == (0, 255)


def test_a_range_of_layers_that_standardise() -> None:
    image = keras.Input((8, 8, 3))
    layer = keras.layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[1.0, 1.0, 1.0])
    assert find_range(list_calls(keras.Model(image, layer(image))), None) == (0, 255)


def test_images_of_another_range_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"values from 0.* takes floats in \[0, 255\]"):
        tf_routing.add_routing(own_net(), input_range=(0, 255)).predict(images() / 255, verbose=0)
    with pytest.warns(UserWarning, match=r"takes floats in \[-1, 1\]"):
        tf_routing.add_routing(own_net(), input_range=(-1, 1)).predict(images(), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tf_routing.add_routing(own_net(), input_range=(0, 255)).predict(images(), verbose=0)
        # As where a mean was taken away.
        tf_routing.add_routing(own_net(), input_range=(0, 255)).predict(images() - 120, verbose=0)


@pytest.mark.parametrize("kind", ["squeezed", *(pytest.param(kind, marks=pytest.mark.heavy) for kind in _OTHERS)])
def test_an_onnx_file_skips(kind: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    copy, x = routed(kind), images()
    # It is compared with the model before it is there, on batches of 0, 1, 3 and 7 images.
    tf_routing.onnx_export.export_onnx(copy, tmp_path / "copy.onnx", execution="sparse")
    session = onnxruntime.InferenceSession(tmp_path / "copy.onnx", providers=["CPUExecutionProvider"])
    answers = dict(zip([each.name for each in session.get_outputs()], session.run(None, {"images": x}), strict=True))
    np.testing.assert_allclose(answers["probabilities"], copy.predict(x, verbose=0), atol=1e-5)
    np.testing.assert_array_equal(answers["macs"], copy.cost(x))
    assert 0 < answers["router_1"].mean() < 1
