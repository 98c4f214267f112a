"""State dicts of torchvision and timm give our networks the answers that theirs have."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests import torch_reference
from tf_routing import widen_paths, zoo
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.builders.mobilenetv2 import _scale_channels
from tf_routing.zoo.weights.torch_weights import IMAGENET_STATISTICS, TORCH_NAMES

# Even at every stride, where the two ways to pad differ; no square, so that no axes are exchanged.
SHAPE = (32, 64, 3)
CLASSES = 7
SMALL: dict[str, Any] = {"input_shape": SHAPE, "width_multiplier": 0.125, "classifier_activation": None}


def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(3, *SHAPE)).astype("float32")


def standardized() -> np.ndarray:
    """The images as networks of PyTorch take them."""
    mean, deviation = np.array(IMAGENET_STATISTICS)
    return ((images() - mean) / deviation).transpose(0, 3, 1, 2)


def answer(model: keras.Model) -> np.ndarray:
    return np.asarray(model(images(), training=False))


def _draw_resnet(state: torch_reference.State, *, bottleneck: bool) -> np.ndarray:
    layout = {"blocks": (2, 1, 1, 2), "width": 8, "bottleneck": bottleneck}
    return torch_reference.resnet(state, standardized(), layout, CLASSES)


def _draw_mobilenet(state: torch_reference.State, names: str) -> np.ndarray:
    return torch_reference.mobilenetv2(
        state, standardized(), lambda channels: _scale_channels(channels, 0.125), names, CLASSES
    )


NETWORKS: dict[str, tuple[str, Callable[[torch_reference.State], np.ndarray]]] = {
    "basic blocks": ("resnet18", lambda state: _draw_resnet(state, bottleneck=False)),
    "bottlenecks": ("resnet50", lambda state: _draw_resnet(state, bottleneck=True)),
    "torchvision": ("mobilenetv2", lambda state: _draw_mobilenet(state, "torchvision")),
    "timm": ("mobilenetv2", lambda state: _draw_mobilenet(state, "timm")),
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ResNets with few blocks: more of a stage repeat what its first two are."""
    for name in ("resnet18", "resnet50"):
        line = ARCHITECTURES[name]
        few = {**line.arguments, "stage_blocks": (2, 1, 1, 2)}
        monkeypatch.setitem(ARCHITECTURES, name, line._replace(arguments=few))
    yield


def drawn(network: str) -> tuple[str, dict[str, Any], np.ndarray]:
    """A network's name in the zoo, a state dict, and its logits for the images."""
    name, draw = NETWORKS[network]
    state = torch_reference.State()
    return name, state.weights, draw(state)


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Compares logits by the largest of them: some convolutions for AVX-512 round the small ones as much."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("network", NETWORKS)
def test_answers_are_those_of_pytorch(network: str) -> None:
    name, state, expected = drawn(network)
    assert np.abs(expected - expected[0]).max() > 0.1
    model = zoo.get(name, weights=state, **SMALL)
    assert_alike(answer(model), expected)
    # What the padding of Keras makes of the same weights is another function.
    plain = zoo.get(name, classes=CLASSES, **SMALL, standardize=IMAGENET_STATISTICS)
    plain.set_weights(model.get_weights())
    assert np.abs(answer(plain) - expected).max() > 1e-2


def test_what_is_saved_or_given_several_paths_answers_alike(tmp_path: Path) -> None:
    name, state, expected = drawn("bottlenecks")
    model = zoo.get(name, weights=state, **SMALL)
    assert_alike(answer(widen_paths(model, noise=0)), expected)
    model.save(tmp_path / "saved.keras")
    assert_alike(answer(keras.saving.load_model(tmp_path / "saved.keras")), expected)
    again = zoo.get(name, classes=CLASSES, weights=tmp_path / "saved.keras", padding="symmetric", **SMALL)
    assert_alike(answer(again), expected)


@pytest.mark.parametrize("network", ["basic blocks", "torchvision"])
def test_a_file_with_other_padding_is_refused_by_the_arguments_name(network: str, tmp_path: Path) -> None:
    name, state, _ = drawn(network)
    zoo.get(name, weights=state, **SMALL).save(tmp_path / "saved.keras")
    with pytest.raises(ValueError, match="such as `padding`"):
        zoo.get(name, classes=CLASSES, weights=tmp_path / "saved.keras", **SMALL)
    zoo.get(name, classes=CLASSES, **SMALL).save(tmp_path / "same.keras")
    with pytest.raises(ValueError, match="such as `padding`"):
        zoo.get(name, classes=CLASSES, weights=tmp_path / "same.keras", padding="symmetric", **SMALL)


def test_heads_of_other_classes_stay_fresh_with_a_warning() -> None:
    name, state, _ = drawn("basic blocks")
    with pytest.warns(UserWarning, match="body of the state dict; freshly initialised, for 3 classes: head"):
        model = zoo.get(name, weights=state, classes=3, **SMALL)
    headless = {key: value for key, value in state.items() if not key.startswith("fc.")}
    with pytest.warns(UserWarning, match="for 1000 classes: head"):
        zoo.get(name, weights=headless, **SMALL)
    body = zoo.get(
        name, weights=state, include_top=False, pooling="avg", **{**SMALL, "classifier_activation": "softmax"}
    )
    features = keras.Model(model.input, model.get_layer("head").input)
    np.testing.assert_allclose(answer(body), answer(features), atol=1e-6)


def test_names_of_training_on_several_devices_and_other_statistics_are_taken() -> None:
    name, state, expected = drawn("basic blocks")
    wrapped = {f"module.{key}": value for key, value in state.items()}
    assert_alike(answer(zoo.get(name, weights=wrapped, **SMALL)), expected)
    bare = zoo.get(name, weights=state, standardize=None, **SMALL)
    inputs = standardized().transpose(0, 2, 3, 1).astype("float32")
    assert_alike(np.asarray(bare(inputs, training=False)), expected)


@pytest.mark.parametrize(
    ("name", "change", "arguments", "message"),
    [
        ("resnet20", {}, {}, "Weights of PyTorch are for resnet18,.*widen_paths.*'resnet20'"),
        ("resnet18_2cc", {}, {}, "Weights of PyTorch are for .*'resnet18_2cc'"),
        ("mobilenetv2", {}, {}, "state dict of a mobilenetv2 .*'features.0.0.weight' or 'conv_stem.weight'.*a dict of"),
        ("resnet18", {"layer1.1.bn2.bias": None}, {}, "another network than resnet18: it lacks layer1.1.bn2.bias"),
        ("resnet18", {"layer1.2.bn2.bias": np.zeros(8)}, {}, "holds, and the network does not, layer1.2.bn2.bias"),
        ("resnet18", {}, {"width_multiplier": 0.25}, r"'stem' has .*\(7, 7, 3, 16\); 'conv1.weight'.*\(7, 7, 3, 8\)"),
        ("resnet18", {}, {"keras_strides": True}, "`keras_strides` must be False with weights of PyTorch.*True"),
        ("resnet18", {}, {"padding": "same"}, "`padding` must be 'symmetric' with weights of PyTorch"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    name: str, change: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    _, state, _ = drawn("basic blocks")
    state = {key: value for key, value in {**state, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        zoo.get(name, weights=state, **{**SMALL, **arguments})


def test_an_unknown_padding_is_refused() -> None:
    for name in ("resnet18", "mobilenetv2"):
        with pytest.raises(ValueError, match="`padding` must be one of 'same', 'symmetric'.*'torch'"):
            zoo.get(name, padding="torch", **SMALL)


# With PyTorch itself, where it is installed


_THEIRS = {
    "resnet18": ("resnet18", "resnet18"),
    "resnet34": ("resnet34", "resnet34"),
    "resnet50": ("resnet50", "resnet50"),
    "resnet101": ("resnet101", "resnet101"),
    "wideresnet50_2": ("wide_resnet50_2", "wide_resnet50_2"),
    "mobilenetv2": ("mobilenet_v2", "mobilenetv2_100"),
}


def test_these_are_the_networks() -> None:
    assert tuple(_THEIRS) == TORCH_NAMES


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize(
    "architecture", [pytest.param(each, marks=[pytest.mark.heavy] * (each != "mobilenetv2")) for each in _THEIRS]
)
def test_answers_are_those_of_the_library(architecture: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.undo()
    pytest.importorskip(library, exc_type=Exception)
    theirs = _build(library, architecture)
    torch.manual_seed(3)
    x = torch.from_numpy(standardized().astype("float32"))
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.7, 1.4)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            module.momentum = 1.0
    with torch.no_grad():
        # Statistics of the images, without which a deep network answers all of them alike.
        theirs.train()(x)
        for name, statistics in theirs.named_buffers():
            if name.endswith("running_var"):
                # Far from zero: of few positions some vary hardly, and rounding would count.
                statistics += 0.1 * statistics.mean()
        expected = theirs.eval()(x).numpy()
    model = zoo.get(architecture, weights=theirs.state_dict(), input_shape=SHAPE, classifier_activation=None)
    assert model.output_shape == (None, 1000)
    assert np.abs(expected - expected[0]).max() > 0.02
    assert_alike(answer(model), expected)


def _build(library: str, name: str) -> Any:
    in_torchvision, in_timm = _THEIRS[name]
    if library == "timm":
        return pytest.importorskip("timm").create_model(in_timm)
    return getattr(pytest.importorskip("torchvision").models, in_torchvision)()
