"""TensorFlow Lite converts an export that skips nothing, with its built-in operations alone."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import gated_net
from tests.conformance.subjects import disturb, small
from tests.exporting.exported import images, tiny_net
from tf_routing import export
from tf_routing.models import RoutedModel


def converted(model: RoutedModel, signature: str, folder: Path) -> tf.lite.Interpreter:
    """The signature of a model's export as TensorFlow Lite runs it."""
    if not (folder / "net").exists():
        export(model, folder / "net")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "net"), signature_keys=[signature])
    # As it is: no operation of TensorFlow's own is let in.
    assert converter.target_spec.supported_ops == {tf.lite.OpsSet.TFLITE_BUILTINS}
    return tf.lite.Interpreter(model_content=converter.convert())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the net without gates is exported, once for both signatures."""
    return tmp_path_factory.mktemp("lite")


@pytest.mark.parametrize("signature", ["serving_default", "serve_uint8"])
def test_a_net_without_gates(signature: str, folder: Path) -> None:
    model, x = tiny_net(), (images(5, (8, 8, 3)) * 255).astype("uint8")
    run = converted(model, signature, folder).get_signature_runner(signature)
    expected = np.asarray(model(x.astype("float32") / 255))
    for count in (1, 5):
        given = x[:count] if signature == "serve_uint8" else x[:count].astype("float32") / 255
        answer = run(images=given)
        np.testing.assert_allclose(answer["probabilities"], expected[:count], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(answer["classes"], expected[:count].argmax(axis=-1))


# One name per builder of networks without gates.
ZOO = ["resnet20_2cp", "resnet50_2cc", "resnext50_4x24d", "mobilenetv2", "basecnn_ensemble3", "sebasecnn"]
ZOO += ["crossstitch2", "basecnn_2cp"]


@pytest.mark.heavy
@pytest.mark.parametrize("name", ZOO)
def test_every_builder_of_nets_without_gates(name: str, tmp_path: Path) -> None:
    model = small(name)
    disturb(model)
    x = images(3, model.input_shape[1:])
    answer = converted(model, "serving_default", tmp_path).get_signature_runner()(images=x)
    np.testing.assert_allclose(answer["probabilities"], model(x), rtol=0, atol=1e-5)


# `test_keras_formats.py` has TensorFlow Lite convert such a net, and the net above such an export.
@pytest.mark.heavy
def test_a_net_with_gates_that_runs_every_branch(tmp_path: Path) -> None:
    model, x = gated_net.gated_model(), gated_net.images(4)
    model.execution = "masked"
    answer = converted(model, "serving_default", tmp_path).get_signature_runner()(images=x)
    np.testing.assert_allclose(answer["probabilities"], model(x), rtol=0, atol=1e-5)
