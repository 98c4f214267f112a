"""Every gated net as an ONNX file skips and answers as itself, in ONNX Runtime and in OpenVINO."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import onnxruntime

from tests.conformance.subjects import GATED, GATED_LEFT_OUT, MODELS, SHORT, disturb, draw_scores, marked, small
from tf_routing import calibrate, fold_batch_norm
from tf_routing.exit_tree import find_mixture
from tf_routing.exporting.onnx_writing.model import write_skipping
from tf_routing.models import RoutedModel

COUNTS = (0, 1, 5, 33)
# The share of the images that come to a junction and go on: with half of them none would come to the last.
RATES = dict.fromkeys(
    (*("decide_chain8", "decide_tree", "short_chain"), *(name for name in (*MODELS, *SHORT) if "msdnet" in name)), 0.8
)
NETS = [*marked(GATED), *(pytest.param(name, marks=pytest.mark.heavy) for name in GATED_LEFT_OUT)]


@cache
def written(name: str) -> tuple[RoutedModel, np.ndarray, list[bytes]]:
    """A folded net, images on half of which each gate opens, and its file; of one with exits that in one graph too."""
    keras.utils.set_random_seed(1)
    model = small(name)
    disturb(model)
    draw_scores(model)
    shape = MODELS[SHORT[name].name if name in SHORT else name]["input_shape"]
    images = np.random.default_rng(11).uniform(size=(max(COUNTS), *shape)).astype("float32")
    calibrate(model, images, rate=RATES.get(name, 0.5))
    folded = fold_batch_norm(model)
    folded.execution = "masked"
    ways = (True, False) if find_mixture(folded) else (True,)
    return folded, images, [write_skipping(folded, subgraphs).SerializeToString() for subgraphs in ways]


def assert_same(found: dict[str, np.ndarray], name: str, count: int) -> None:
    """Checks what a runtime answers."""
    model = written(name)[0]
    expected, routes, costs = _expected(name)
    np.testing.assert_allclose(found["probabilities"], expected[:count], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found["classes"], expected[:count].argmax(axis=1))
    assert list(routes) == model.decision_names
    for key, values in routes.items():
        np.testing.assert_array_equal(found[key], values[:count], err_msg=key)
    np.testing.assert_array_equal(found["macs"], costs[:count])
    assert len(np.unique(costs)) > 1


@cache
def _expected(name: str) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    model, images, _ = written(name)
    return np.asarray(model(images)), model.routes(images), model.cost(images)


@pytest.mark.parametrize("name", NETS)
def test_onnx_runtime_answers_as_the_masked_net(name: str) -> None:
    _, images, files = written(name)
    for file in files:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        for count in COUNTS:
            assert_same(dict(zip(names, session.run(None, {"images": images[:count]}), strict=True)), name, count)


@pytest.mark.heavy
@pytest.mark.parametrize("name", NETS)
def test_openvino_answers_as_the_masked_net(name: str) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    _, images, (file, *_) = written(name)
    core = openvino.Core()
    # In the precision of the file: processors that have bfloat16 would compute in it.
    compiled = core.compile_model(core.read_model(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for count in COUNTS:
        answer: Any = compiled({"images": images[:count]})
        assert_same({output.any_name: np.asarray(answer[output]) for output in compiled.outputs}, name, count)
