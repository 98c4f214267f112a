"""Exports answer as the model does, with TensorFlow alone."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.exporting.exported import images, tiny_net
from tests.few_layers import few_layers
from tf_routing import zoo
from tf_routing.exporting import saved_model
from tf_routing.models import Ensemble, RoutedModel

_NAMES = [f"class {number}" for number in range(10)]

_ALONE = """
import json, sys
from importlib.machinery import PathFinder

class AsIfNotInstalled(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        blocked = name.partition(".")[0] in ("keras", "tf_keras", "tf_routing")
        return None if blocked else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = AsIfNotInstalled
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
images = tf.constant(np.load(sys.argv[2]))
floats, files = tf.cast(images, tf.float32) / 255, tf.stack([tf.io.encode_png(image) for image in images])
given = {"serve_uint8": images, "serving_default": floats, "serve_encoded": files, "routes": floats}
assert set(given) == set(loaded.signatures), list(loaded.signatures)
answers = {
    signature: {name: value.numpy().tolist() for name, value in loaded.signatures[signature](each).items()}
    for signature, each in given.items()
}
answers["call"] = {"probabilities": loaded(floats).numpy().tolist()}
assert not {"keras", "tf_keras", "tf_routing"} & set(sys.modules)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        yield


def built() -> RoutedModel:
    keras.utils.set_random_seed(1)
    return zoo.get("basecnn_2cc", width_multiplier=0.125, standardize=([0.5, 0.4, 0.3], [0.2, 0.3, 0.25]))


@pytest.fixture(scope="module")
def model() -> RoutedModel:
    return built()


@pytest.fixture(scope="module")
def folder(model: RoutedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "basecnn_2cc"
    saved_model.export(model, path, class_names=_NAMES)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Any:
    return tf.saved_model.load(str(folder))


def bytes_(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype("uint8")


def floats(count: int) -> np.ndarray:
    return bytes_(count).astype("float32") / 255


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [1, 3])
def test_serving_answers_as_the_model(count: int, model: RoutedModel, loaded: Any) -> None:
    answer = loaded.signatures["serving_default"](tf.constant(floats(count)))
    expected = np.asarray(model(floats(count)))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(answer["classes"], expected.argmax(axis=-1))
    assert set(answer) == {"probabilities", "classes"}


@pytest.mark.parametrize("count", [1, 3])
def test_bytes_are_floats_times_255(count: int, loaded: Any) -> None:
    answer = loaded.signatures["serve_uint8"](tf.constant(bytes_(count)))
    expected = loaded.signatures["serving_default"](tf.constant(floats(count)))
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(answer["classes"], expected["classes"])


@pytest.mark.parametrize("count", [1, 3])
def test_routes_are_the_decisions_and_what_they_cost(count: int, model: RoutedModel, loaded: Any) -> None:
    answer = dict(loaded.signatures["routes"](tf.constant(floats(count))))
    macs = answer.pop("macs").numpy()
    np.testing.assert_array_equal(macs, model.cost(floats(count)))
    assert macs.dtype == np.int64
    expected = model.routes(floats(count))
    assert set(answer) == set(expected)
    for name, gates in expected.items():
        np.testing.assert_allclose(answer[name], gates, rtol=1e-5, atol=1e-5)


def test_labels_are_written(folder: Path) -> None:
    assert (folder / "assets" / "labels.txt").read_text("utf-8").splitlines() == _NAMES


def test_a_fresh_process_needs_neither_keras_nor_this_library(model: RoutedModel, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", bytes_(3))
    words = [sys.executable, "-I", "-c", _ALONE, str(folder), str(tmp_path / "images.npy")]
    finished = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    answers = json.loads(finished.stdout.splitlines()[-1])
    expected = np.asarray(model(floats(3)))
    np.testing.assert_array_equal(answers["routes"].pop("macs"), model.cost(floats(3)))
    for name, gates in model.routes(floats(3)).items():
        np.testing.assert_allclose(answers["routes"][name], gates, rtol=1e-4, atol=1e-5)
    for name in ("serve_uint8", "serving_default", "serve_encoded", "call"):
        np.testing.assert_allclose(answers[name]["probabilities"], expected, rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(answers["serve_encoded"]["classes"], expected.argmax(axis=-1))


def test_describe_lists_signatures_with_shapes_and_types(folder: Path) -> None:
    table = json.loads(saved_model.describe(folder))
    assert set(table) == {"serving_default", "serve_uint8", "serve_encoded", "routes"}
    assert table["serving_default"]["inputs"] == {"images": "float32 (None, 32, 32, 3)"}
    assert table["serve_uint8"]["inputs"] == {"images": "uint8 (None, 32, 32, 3)"}
    assert table["serve_encoded"]["inputs"] == {"images": "string (None,)"}
    assert table["serving_default"]["outputs"] == {"probabilities": "float32 (None, 10)", "classes": "int32 (None,)"}
    assert table["routes"]["outputs"]["route_2"] == "float32 (None, 2, 2)"
    assert table["routes"]["outputs"]["macs"] == "int64 (None,)"


@pytest.mark.parametrize("content", [b"", b"text, no graph", b"\x08\x01"])
def test_describe_of_no_saved_model(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no SavedModel at"):
        saved_model.describe(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged, or no SavedModel"):
        saved_model.describe(tmp_path)


def test_an_existing_export_is_not_touched(model: RoutedModel, folder: Path) -> None:
    before = files(folder)
    with pytest.raises(FileExistsError, match="exists already"):
        saved_model.export(model, folder)
    assert files(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("count", [0, 9, 11])
def test_a_wrong_number_of_class_names_writes_nothing(count: int, model: RoutedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`class_names` must hold 10 names. Received: {count} names"):
        saved_model.export(model, tmp_path / "export", class_names=["name"] * count)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 0}, "`version` must be a positive integer. Received: version=0"),
        ({"version": "2"}, "`version` must be a positive integer. Received: version='2'"),
        ({"crop": 0}, "`crop` must be a number above 0 and at most 1. Received: crop=0"),
        ({"crop": 1.5}, "`crop` must be a number above 0 and at most 1. Received: crop=1.5"),
        ({"architecture": "basecnn_2c"}, "Unknown architecture 'basecnn_2c'. Did you mean: .*basecnn_2cc"),
        ({"training": {"rate": object()}}, "`training` must be a dict that JSON can hold: Object of type object"),
        ({"training": ["recipe"]}, "`training` must be a dict that JSON can hold. Received: training=..recipe"),
        ({"class_names": ["two\nlines"] * 10}, "`class_names` must hold one line each. Received: 'two"),
        ({"class_names": "abcdefghij"}, "`class_names` must be a list of names. Received: class_names='abcdefghij'"),
        ({"class_names": ["\ud800"] * 10}, "`class_names` must hold one line each. Received: '.ud800', class 0"),
        ({"class_names": [*"abcdefghi", "j\n"]}, "`class_names` must hold one line each. Received: 'j.n', class 9"),
        ({"class_names": [*"abcdefghi", 9]}, "`class_names` must hold one line each. Received: 9, class 9"),
    ],
)
def test_what_is_not_possible_writes_nothing(
    arguments: dict[str, Any], message: str, model: RoutedModel, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        saved_model.export(model, tmp_path / "export", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_export_leaves_nothing(model: RoutedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(model: RoutedModel, folder: str, *_: Any) -> None:
        Path(folder, "saved_model.pb").write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(saved_model, "_write_graph", half)
    with pytest.raises(OSError, match="the disk is full"):
        saved_model.export(model, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_an_ensemble_exports_with_its_members_decisions(tmp_path: Path) -> None:
    ensemble, x = Ensemble.of([tiny_net(), tiny_net("other")], name="pair"), images(3, (8, 8, 3))
    # Members that were mixed up would show.
    for weight in ensemble.members[1].weights:
        weight.assign(3 * weight)
    saved_model.export(ensemble, tmp_path / "pair")
    signatures = tf.saved_model.load(str(tmp_path / "pair")).signatures
    answer = signatures["serving_default"](tf.constant(x))
    np.testing.assert_allclose(answer["probabilities"], ensemble(x), rtol=1e-5, atol=1e-5)
    routes = dict(signatures["routes"](tf.constant(x)))
    np.testing.assert_array_equal(routes.pop("macs"), ensemble.cost(x))
    expected = {name.replace("/", "_"): gates for name, gates in ensemble.routes(x).items()}
    assert set(routes) == set(expected)
    first, second = expected.values()
    assert np.abs(first - second).max() > 1e-3
    for name, gates in expected.items():
        np.testing.assert_allclose(routes[name], gates, rtol=1e-5, atol=1e-5)
