"""Keras's `model.export`: every format gives a file that computes the model's numbers, or says what to call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import exit_net, gated_net, skip_net
from tests.exporting.exported import images, tiny_net
from tests.snippets import run_snippet
from tf_routing.exporting.masked_run import running_masked
from tf_routing.models import Ensemble, RoutedModel


def early_exits() -> RoutedModel:
    """A net that leaves early, which is told a cost besides."""
    model = exit_net.exit_model(dynamic_cost=True)
    exit_net.vary(model)
    return model


FAMILIES: dict[str, Callable[[], RoutedModel]] = {
    "multipath": tiny_net,
    "dmnn": gated_net.gated_model,
    "drn": lambda: skip_net.skip_model(router="recurrent"),
    "decide": early_exits,
}
SUFFIXES = {"tf_saved_model": "", "litert": ".tflite", "onnx": ".onnx"}
# Each family and each format once; `make heavy` adds the other pairs.
DEFAULT = [("multipath", "litert"), ("dmnn", "litert"), ("drn", "tf_saved_model"), ("decide", "onnx")]
PAIRS = [(family, format) for family in FAMILIES for format in SUFFIXES]


def given(model: RoutedModel, count: int) -> Any:
    """What a model takes."""
    if isinstance(model.input, dict):
        costs = np.linspace(0, 1e-6, count, dtype="float32")
        return {"image": images(count, model.input["image"].shape[1:]), "cost": costs[:, None]}
    return images(count, model.input_shape[1:])


def answered(path: Path, format: str, x: Any) -> np.ndarray:
    """What a file says, run by what runs such files."""
    named = x if isinstance(x, dict) else {"images": x}
    if format == "tf_saved_model":
        loaded = tf.saved_model.load(str(path))
        return loaded.serve(keras.tree.map_structure(tf.constant, x)).numpy()
    if format == "litert":
        run = tf.lite.Interpreter(model_path=str(path)).get_signature_runner()
        return next(iter(run(**named if isinstance(x, dict) else dict.fromkeys(run.get_input_details(), x)).values()))
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    fed = {"images": x["image"], "cost": x["cost"][:, 0]} if isinstance(x, dict) else named
    return onnxruntime.InferenceSession(str(path)).run(None, fed)[0]


@pytest.mark.parametrize(
    ("family", "format"), [pair if pair in DEFAULT else pytest.param(*pair, marks=pytest.mark.heavy) for pair in PAIRS]
)
def test_a_file_computes_the_models_numbers(family: str, format: str, tmp_path: Path) -> None:
    model, path = FAMILIES[family](), tmp_path / f"net{SUFFIXES[format]}"
    model.execution = "auto"
    model.export(path, format=format, verbose=False)
    assert model.execution == "auto" and list(tmp_path.iterdir()) == [path]
    for count in (1, 5):
        x = given(model, count)
        expected = np.asarray(model(x))
        assert count == 1 or np.ptp(expected, axis=0).max() > 1e-3
        np.testing.assert_allclose(answered(path, format, x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("format", ["openvino", "torch"])
def test_a_format_that_is_not_written_says_what_to_call(format: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"format='{format}' is not written: .*call tf_routing.exporting.onnx"):
        tiny_net().export(tmp_path / "net", format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "onx"}, "`format` must be one of 'tf_saved_model', 'onnx', 'litert'"),
        ({"format": "litert"}, "`filepath` must end in .tflite for format='litert'"),
        ({"format": "onnx", "opset_version": 9}, "format='onnx' takes .* no options. Received: opset_version"),
        ({"format": "onnx", "input_signature": [1]}, "format='onnx' takes .*Received: input_signature"),
        ({"tolerance": -1}, "`tolerance` must be a positive number"),
    ],
)
def test_wrong_arguments_write_nothing(arguments: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        tiny_net().export(tmp_path / "net", **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["tf_saved_model", "litert"])
def test_a_file_that_differs_is_not_written(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_net()
    write = keras.Model.export

    def write_another(self: Any, filepath: str, **kwargs: Any) -> None:
        write(other, filepath, **kwargs)

    other = tiny_net()
    other.get_layer("probabilities").bias.assign(np.arange(10.0))
    monkeypatch.setattr(keras.Model, "export", write_another)
    with pytest.raises(ValueError, match=r"tiny as .* differs by \d\.\de-\d\d from itself.*nothing was written"):
        model.export(tmp_path / f"net{SUFFIXES[format]}", format=format)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_of_known_size_and_another_tolerance(tmp_path: Path) -> None:
    model, path = skip_net.skip_model(), tmp_path / "two.tflite"
    signature = [keras.InputSpec(shape=(2, *model.input_shape[1:]), dtype="float32")]
    model.export(path, format="litert", input_signature=signature, verbose=False)
    x = given(model, 2)
    np.testing.assert_allclose(answered(path, "litert", x), model(x), rtol=0, atol=1e-5)
    (spec,) = tf.lite.Interpreter(model_path=str(path)).get_input_details()
    assert tuple(spec["shape_signature"]) == (2, *model.input_shape[1:])


def test_nothing_is_set_otherwise_after_a_masked_run() -> None:
    model = gated_net.gated_model()
    model.get_layer("block_2").method = "switch"
    pair = Ensemble.of([model, gated_net.gated_model()])
    model.set_execution("auto", method="rows", batch_method="chunks")

    def settings() -> list[Any]:
        blocks = [(each, each.get_layer(f"block_{n}")) for each in pair.members for n in (1, 2)]
        return [each.executor.settings for each in (pair, *pair.members)] + [
            (each.executor.begin_run().settings_of(block).execution, block.method, block.supports_jit)
            for each, block in blocks
        ]

    before = settings()
    assert before[1] != before[2]
    with pytest.raises(RuntimeError, match="the disk is full"), running_masked(pair):
        assert {each.execution for each in settings()[:3]} == {"masked"}
        assert {(each[0], each[2]) for each in settings()[3:]} == {("masked", True)}
        raise RuntimeError("the disk is full")
    assert settings() == before


_ON_JAX = """
import sys
import numpy as np
import keras
from tests.exporting.exported import tiny_net
assert keras.backend.backend() == "jax"
model = tiny_net()
for format in ("onnx", "litert"):
    try:
        model.export(sys.argv[1] + "/net.tflite", format=format)
    except (RuntimeError, ValueError) as error:
        print(format, error)
model.export(sys.argv[1] + "/net", verbose=False)
np.save(sys.argv[1] + "/expected.npy", np.asarray(model(np.load(sys.argv[1] + "/images.npy"))))
"""


@pytest.mark.heavy
def test_on_jax_a_saved_model_is_written_and_others_say_what_they_need(tmp_path: Path) -> None:
    x = images(3, (8, 8, 3))
    np.save(tmp_path / "images.npy", x)
    printed = run_snippet(_ON_JAX, str(tmp_path), backend="jax")
    assert "onnx ONNX needs the TensorFlow backend" in printed and "litert" in printed
    answer = answered(tmp_path / "net", "tf_saved_model", x)
    np.testing.assert_allclose(answer, np.load(tmp_path / "expected.npy"), rtol=0, atol=1e-5)
