"""ONNX files compute what the model computes, or are not written."""

import argparse
import doctest
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("tf2onnx", reason="the extra `onnx` is not installed")

import onnxruntime

from tests import exit_net, gated_net, skip_net
from tests.conformance.subjects import disturb, draw_scores, small
from tests.few_layers import few_layers
from tests.trained_net import like_trained
from tf_routing import calibrate, zoo
from tf_routing.cli.commands.export import add_options, check_options, write_onnx
from tf_routing.execution import gated_blocks
from tf_routing.exporting import onnx as onnx_export
from tf_routing.exporting.verification import default_tolerance
from tf_routing.models import RoutedModel

COUNTS = (1, 3, 7)


def multipath() -> tuple[RoutedModel, np.ndarray]:
    """Two paths of few layers, trained as it seems."""
    keras.utils.set_random_seed(1)
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        model = zoo.get("basecnn_2cc", width_multiplier=0.125, input_shape=(16, 16, 3), classes=4)
    images = np.random.default_rng(1).uniform(size=(7, 16, 16, 3)).astype("float32")
    return like_trained(model, images, "path_1_head"), images


def early_exits() -> tuple[RoutedModel, np.ndarray]:
    """A chain whose images leave at different columns."""
    model = exit_net.exit_model()
    exit_net.vary(model)
    exit_net.balance(model)
    return model, exit_net.images(7)


FAMILIES: dict[str, Callable[[], tuple[RoutedModel, np.ndarray]]] = {
    "multipath": multipath,
    "dmnn": lambda: (gated_net.gated_model(), gated_net.images(7)),
    "drn": lambda: (skip_net.skip_model(), skip_net.images(7)),
    "drn_recurrent": lambda: (skip_net.skip_model(router="recurrent"), skip_net.images(7)),
    "decide": early_exits,
}
# One name per builder of the zoo, which `make heavy` runs.
ZOO = ["resnet20_2cp", "resnet50_2cc", "resnext50_4x24d", "mobilenetv2", "basecnn_ensemble3", "sebasecnn", "rich"]
ZOO += ["crossstitch2", "dmnn50_cifar_n2", "dmnn_mobilenetv2_n2", "drn_resnet32", "decide_chain8"]


def from_zoo(name: str) -> tuple[RoutedModel, np.ndarray]:
    """A small net of the zoo with disturbed weights, whose gates open on half of the images."""
    keras.utils.set_random_seed(1)
    model = small(name)
    disturb(model)
    draw_scores(model)
    images = np.random.default_rng(2).uniform(size=(7, *model.input_shape[1:])).astype("float32")
    if gated_blocks(model):
        calibrate(model, images, rate=0.5)
    return model, images


def answers(path: Path, images: np.ndarray, **beside: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].name == "probabilities"
    assert [each.name for each in session.get_inputs()] == ["images", *beside]
    return session.run(["probabilities"], {"images": images, **beside})[0]


@pytest.mark.parametrize("fold", [True, False])
def test_a_network_that_standardizes_its_images_as_trained_ones_do(fold: bool, tmp_path: Path) -> None:
    statistics = (0.3, 0.5, 0.7), (0.2, 0.3, 0.4)
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        model = zoo.get("basecnn", width_multiplier=0.125, input_shape=(16, 16, 3), classes=4, standardize=statistics)
    disturb(model)
    images = np.random.default_rng(1).uniform(size=(7, 16, 16, 3)).astype("float32")
    onnx_export.export_onnx(model, tmp_path / "net.onnx", fold_batch_norm=fold)
    found = answers(tmp_path / "net.onnx", images)
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=1e-5)
    assert np.ptp(found, axis=0).max() > 1e-3


# A recurrent router has all that a linear one has; nets that leave early are written in `test_keras_formats.py` and
# below, where they are told of costs.
_ELSEWHERE = {("drn", True), ("decide", True)}


@pytest.mark.parametrize(
    ("family", "fold"),
    [
        pytest.param(*pair, marks=pytest.mark.heavy if pair in _ELSEWHERE else ())
        for pair in [*((family, True) for family in FAMILIES), ("drn", False)]
    ],
)
def test_every_family_answers_as_the_model(family: str, fold: bool, tmp_path: Path) -> None:
    model, images = FAMILIES[family]()
    model.execution = "auto"
    onnx_export.export_onnx(model, tmp_path / "net.onnx", execution="masked", fold_batch_norm=fold)
    assert model.execution == "auto"
    model.execution = "masked"
    expected = np.asarray(model(images))
    assert np.ptp(expected, axis=0).max() > 1e-3
    for count in COUNTS:
        np.testing.assert_allclose(answers(tmp_path / "net.onnx", images[:count]), expected[:count], rtol=0, atol=1e-5)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ZOO)
def test_every_builder_answers_as_the_model(name: str, tmp_path: Path) -> None:
    model, images = from_zoo(name)
    onnx_export.export_onnx(model, tmp_path / "net.onnx", execution="masked")
    model.execution = "masked"
    for count in COUNTS:
        expected = np.asarray(model(images[:count]))
        np.testing.assert_allclose(answers(tmp_path / "net.onnx", images[:count]), expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def half() -> RoutedModel:
    """A net that computes in float16, and rounds in the order that a runtime chooses."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return skip_net.skip_model()
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_net_of_less_precision_has_a_tolerance_of_its_own(half: RoutedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than tolerance=1e-09: nothing was written. A larger `tolerance`"):
        onnx_export.export_onnx(half, tmp_path / "net.onnx", execution="masked", tolerance=1e-9)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="layer 'stem' computes in float16, .*built in float32.*masked"):
        onnx_export.export_onnx(half, tmp_path / "net.onnx")
    onnx_export.export_onnx(half, tmp_path / "net.onnx", execution="masked")
    expected = np.asarray(half(skip_net.images(3)), "float32")
    np.testing.assert_allclose(answers(tmp_path / "net.onnx", skip_net.images(3)), expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("policy", "tolerance"),
    [("float32", 1e-5), ("float64", 1e-5), ("mixed_float16", 5e-3), ("float16", 5e-3), ("mixed_bfloat16", 5e-2)],
)
def test_the_tolerance_follows_what_the_layers_compute_in(policy: str, tolerance: float) -> None:
    image = keras.Input((2, 2, 3))
    # The last layer alone is precise, as in every net of the zoo.
    features = keras.layers.Dense(4, dtype=policy)(keras.layers.Flatten(dtype=policy)(image))
    model = RoutedModel(image, keras.layers.Dense(3, "softmax", dtype="float32")(features))
    assert default_tolerance(model) == tolerance


def test_what_the_runtime_refuses_is_told(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = skip_net.skip_model()
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match=r"(?s)skip as ONNX is refused by ONNX Runtime.*bfloat16.*other.set_weights"):
        onnx_export.export_onnx(model, tmp_path / "net.onnx", execution="masked")
    assert list(tmp_path.iterdir()) == []


def test_what_stands_beside_images_is_an_input(tmp_path: Path) -> None:
    model = exit_net.exit_model(dynamic_cost=True)
    exit_net.vary(model)
    images, costs = exit_net.images(7), np.linspace(0, 1e-6, 7, dtype="float32")
    onnx_export.export_onnx(model, tmp_path / "net.onnx", execution="masked")
    expected = np.asarray(model({"image": images, "cost": costs[:, None]}))
    np.testing.assert_allclose(answers(tmp_path / "net.onnx", images, cost=costs), expected, rtol=0, atol=1e-5)


def test_class_names_are_in_the_file(tmp_path: Path) -> None:
    names = ["cat", "dog", "hen", "cow"]
    onnx_export.export_onnx(skip_net.skip_model(), tmp_path / "net.onnx", class_names=names)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == names


def unwritable() -> RoutedModel:
    """A net with an operation that ONNX does not have."""

    class Digest(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return keras.ops.cast(tf.strings.to_hash_bucket_fast(tf.strings.as_string(x), 4), "float32")

    image = keras.Input((2, 2, 3), name="image")
    features = keras.layers.Flatten()(Digest()(image))
    return RoutedModel(image, keras.layers.Dense(4, "softmax", name="probabilities")(features), name="hashing")


def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="(?s)hashing cannot be written as ONNX: .*StringToHashBucket"):
        onnx_export.export_onnx(unwritable(), tmp_path / "net.onnx", fold_batch_norm=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"older")
    with pytest.raises(ValueError, match="skip as ONNX differs by .* more than tolerance=1e-12"):
        onnx_export.export_onnx(skip_net.skip_model(), tmp_path / "net.onnx", tolerance=1e-12)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("net.onnx", b"older")]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tolerance": 0}, "`tolerance` must be a positive number"),
        ({"class_names": ["cat"]}, "`class_names` must hold 4 names. Received: 1 names"),
        ({"class_names": "cats"}, "`class_names` must be a list of names. Received: class_names='cats'"),
        ({"class_names": ["a", "b", "c", "d\n"]}, r"`class_names` must hold one line each. Received: 'd\\n', class 3"),
    ],
)
def test_wrong_arguments_write_nothing(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        onnx_export.export_onnx(skip_net.skip_model(), tmp_path / "net.onnx", **changed)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python finds where a module is not installed.
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"ONNX export needs tf2onnx: pip install 'tf_routing\[onnx\]'"):
        onnx_export.export_onnx(skip_net.skip_model(), tmp_path / "net.onnx", execution="masked")
    assert list(tmp_path.iterdir()) == []
    # What skips is not converted.
    onnx_export.export_onnx(skip_net.skip_model(), tmp_path / "net.onnx")


def test_the_command_line_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    path = tmp_path / "net.onnx"
    ways = {"auto": "skips what images do not choose", "masked": "runs every branch"}
    for execution, done in ways.items():
        write_onnx(parser.parse_args(["run", "--onnx", str(path), "--execution", execution]), skip_net.skip_model())
        assert f"Wrote {path}, which {done}." in capsys.readouterr().out
        assert len(answers(path, skip_net.images(2))) == 2
    write_onnx(parser.parse_args(["run"]), skip_net.skip_model())
    assert list(tmp_path.iterdir()) == [path]
    strict = parser.parse_args(["run", "--onnx", str(path), "--tolerance", "1e-12"])
    with pytest.raises(ValueError, match="more than tolerance=1e-12"):
        write_onnx(strict, skip_net.skip_model())
    for words, message in (
        (["--tolerance", "1e-3"], "`--tolerance` is there for --onnx"),
        (["--execution", "masked"], "`--execution` is there for --onnx"),
        (["--tolerance", "0"], "posi"),
    ):
        with pytest.raises(ValueError, match=message):
            check_options(parser.parse_args(["run", *words]))


def test_the_example_runs() -> None:
    names = {"np": np}
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(onnx_export.export_onnx), names, "export_onnx", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0
