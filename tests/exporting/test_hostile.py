"""Wrong input gives a clear error or the documented answer, and loading runs nothing."""

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.exporting.exported import images, skipping_net
from tests.gated_net import gated_model
from tests.graph_operations import operations
from tf_routing import export, zoo
from tf_routing.runs.trained_network import load_trained

_REFUSED = (ValueError, TypeError, tf.errors.InvalidArgumentError)
NETS = ["gated", "basecnn_2cc", "dmnn_mobilenetv2_n2", "decide_chain8"]


@pytest.fixture(scope="module", params=[NETS[0], *(pytest.param(name, marks=pytest.mark.heavy) for name in NETS[1:])])
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, tuple[int, ...]]:
    """An export, loaded, and the shape of its images."""
    name = request.param
    model = gated_model() if name == NETS[0] else skipping_net(name)
    model.execution = "auto"
    path = tmp_path_factory.mktemp("export") / name
    export(model, path)
    return tf.saved_model.load(str(path)), model.input_shape[1:]


def functions(loaded: Any) -> dict[str, Any]:
    """What takes floats."""
    signatures = {name: loaded.signatures[name] for name in ("serving_default", "routes")}
    return {**signatures, "call": lambda images: {"probabilities": loaded(images)}}


@pytest.mark.parametrize("which", ["serving_default", "routes", "call"])
def test_wrong_shapes_are_refused(which: str, net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, (height, width, channels) = net
    run = functions(loaded)[which]
    wrong = [(height, width, channels), (2, height, width), (2, height, width, channels + 1), (2, height, width, 1)]
    for shape in [*wrong, (2, height + 1, width, channels), (2, 1, height, width, channels), ()]:
        with pytest.raises(_REFUSED, match=rf"{height},\s*{width},\s*{channels}"):
            run(images=tf.zeros(shape))


@pytest.mark.parametrize("which", ["serving_default", "routes", "call"])
def test_wrong_types_are_refused(which: str, net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    # The callable takes bytes too; each signature has one type.
    for dtype in (*(() if which == "call" else (tf.uint8,)), tf.int32, tf.float64):
        with pytest.raises(_REFUSED, match="float32|float"):
            functions(loaded)[which](images=tf.zeros((2, *shape), dtype))
    with pytest.raises(_REFUSED, match="string|uint8|float"):
        functions(loaded)[which](images=tf.constant(["text", "text"]))


def test_bytes_and_files_have_types_too(net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    with pytest.raises(_REFUSED, match="uint8"):
        loaded.signatures["serve_uint8"](images=tf.zeros((2, *shape)))
    with pytest.raises(_REFUSED, match="string"):
        loaded.signatures["serve_encoded"](images=tf.zeros((2,)))
    with pytest.raises(_REFUSED):
        loaded.signatures["serve_encoded"](images=tf.constant("one file, no batch"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must hold whole JPEG, PNG, GIF, BMP or WebP files"):
        loaded.signatures["serve_encoded"](images=tf.constant(["text"]))


def test_an_empty_batch_has_empty_answers(net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    given = {
        "serving_default": tf.zeros((0, *shape)),
        "serve_uint8": tf.zeros((0, *shape), tf.uint8),
        "serve_encoded": tf.zeros((0,), tf.string),
        "routes": tf.zeros((0, *shape)),
    }
    for name, none in given.items():
        full = loaded.signatures[name].structured_outputs
        for key, answer in loaded.signatures[name](images=none).items():
            assert tuple(answer.shape) == (0, *full[key].shape[1:]), (name, key)
    assert len(loaded(tf.zeros((0, *shape)))) == 0


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_number_spoils_its_own_image_only(strange: float, net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    x = images(6, shape)
    expected = {
        name: {key: each.numpy() for key, each in run(images=tf.constant(x)).items()}
        for name, run in functions(loaded).items()
    }
    x[2, 1] = strange
    others = [0, 1, 3, 4, 5]
    for name, run in functions(loaded).items():
        for key, answer in run(images=tf.constant(x)).items():
            assert len(answer) == len(x)
            np.testing.assert_allclose(
                answer.numpy()[others], expected[name][key][others], rtol=1e-4, atol=1e-5, err_msg=f"{name} {key}"
            )
            if not np.isfinite(strange):
                assert_says_nothing(key, answer.numpy()[2], expected[name][key].min())


def assert_says_nothing(key: str, answer: np.ndarray, least: float) -> None:
    if key == "classes":
        assert answer == -1
    elif key == "macs":
        assert 0 < answer <= least
    else:
        assert np.isnan(answer).all(), key


def test_the_signature_for_one_image_takes_any_number(net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    assert ("serve_one" in loaded.signatures) == bool(loaded.signatures["routes"].structured_outputs.keys() - {"macs"})
    for count in (0, 1, 2, 5) if "serve_one" in loaded.signatures else ():
        x = tf.constant(images(count, shape))
        answer = loaded.signatures["serve_one"](images=x)
        expected = loaded.signatures["serving_default"](images=x)
        assert answer.keys() == expected.keys()
        for key, value in answer.items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-5)


def test_an_unknown_input_is_named(net: tuple[Any, tuple[int, ...]]) -> None:
    loaded, shape = net
    with pytest.raises(_REFUSED, match="pictures|images"):
        loaded.signatures["serving_default"](pictures=tf.zeros((1, *shape)))


def test_an_export_holds_no_operation_that_leaves_the_graph(net: tuple[Any, tuple[int, ...]]) -> None:
    """What it decodes it is given: it reads and writes no file and calls no Python."""
    loaded, _ = net
    kinds = {kind for each in loaded.signatures.values() for kind in operations(each)}
    assert "DecodeImage" in kinds and "Conv2D" in kinds
    assert [
        kind for kind in kinds if kind.startswith(("PyFunc", "EagerPyFunc", "ReadFile", "WriteFile", "Print"))
    ] == []


class Writing(keras.layers.Layer):
    """A layer that is not registered."""

    def call(self, inputs: Any) -> Any:
        return inputs


def test_loading_a_network_runs_no_code_of_its(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 3))
    sentinel = str(tmp_path / "sentinel")
    # A lambda, unlike a function with a name, is saved as code.
    maps = keras.layers.Lambda(lambda x: (open(sentinel, "w").close(), x)[1], output_shape=(4, 4, 3))(image)
    keras.Model(image, keras.layers.Flatten()(maps)).save(tmp_path / "lambda.keras")
    keras.Model(image, keras.layers.Flatten()(Writing()(image))).save(tmp_path / "class.keras")
    Path(sentinel).unlink(missing_ok=True)
    for name, message in (("lambda", "(?is)lambda.*unsafe|unsafe.*lambda|safe_mode"), ("class", "Writing")):
        with pytest.raises((ValueError, TypeError), match=message):
            load_trained(str(tmp_path / f"{name}.keras"))
        with pytest.raises((ValueError, TypeError), match=message):
            zoo.get("basecnn", width_multiplier=0.125, weights=str(tmp_path / f"{name}.keras"))
    assert not Path(sentinel).exists()


@pytest.mark.parametrize("content", ["", "text", "zip"])
def test_what_is_no_network(content: str, tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_text(content, "utf-8")
    if content == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json", "{}")
    with pytest.raises((ValueError, OSError, KeyError), match="model.keras|config|metadata|weights"):
        load_trained(str(file))
