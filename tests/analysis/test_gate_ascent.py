"""Gradient ascent raises the score before the softmax of the gate that is addressed, and of no other."""

import json
from collections.abc import Iterator

import keras
import numpy as np
import pytest

from tests.conformance.subjects import disturb
from tests.snippets import run_snippet
from tf_routing import zoo
from tf_routing.analysis import gate_score, routing_layers, synthesize_image, value_and_gradient
from tf_routing.analysis.gate_ascent import _blur
from tf_routing.models import RoutedModel

ADDRESSES = [(1, 1, 2), (2, 2, 1), (4, 1, 2), (5, 2, 2)]
SIZE = {"input_shape": (16, 16, 3), "width_multiplier": 0.125}


def written(address: tuple[int, int, int]) -> str:
    return "g[{}][{},{}]".format(*address)


@pytest.fixture(scope="module")
def model() -> Iterator[RoutedModel]:
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    # Finite differences need the digits.
    keras.config.set_dtype_policy("float64")
    net = zoo.get("basecnn_2cc", **SIZE)
    keras.config.set_dtype_policy(policy)
    # So few units may all be off for every image: moved, some are on.
    disturb(net)
    yield net


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).random((count, 16, 16, 3)).astype("float32")


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_score_is_equation_2_of_the_addressed_gate(model: RoutedModel, address: tuple[int, int, int]) -> None:
    number, i, j = address
    layer = routing_layers(model)[number - 1]
    read = keras.tree.flatten(layer.input)[i - 1]
    values = np.asarray(keras.Model(model.inputs, read)([images(3)], training=False))
    means = values.mean(axis=(1, 2)) if values.ndim == 4 else values
    w1, b1, w2, b2 = (np.asarray(weight) for weight in layer.gates[i - 1].weights)
    scores = np.maximum(means @ w1 + b1, 0) @ w2 + b2
    np.testing.assert_allclose(gate_score(model, written(address))(images(3)), scores[:, j - 1], rtol=1e-6, atol=1e-9)
    exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
    gates = model.routes(images(3))[layer.name][:, i - 1]
    np.testing.assert_allclose(gates, exponents / exponents.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_gradient_is_that_of_finite_differences(model: RoutedModel, address: tuple[int, int, int]) -> None:
    score, image = gate_score(model, written(address)), images(1)
    value, gradient = value_and_gradient(lambda x: score(x)[0])(keras.ops.convert_to_tensor(image))
    assert float(value) == pytest.approx(float(score(image)[0]), rel=1e-9)
    gradient = np.asarray(gradient)
    assert np.abs(gradient).max() > 1e-4
    for place in [(0, 3, 4, 0), (0, 8, 8, 1), (0, 15, 0, 2)]:
        step = np.zeros_like(image)
        step[place] = 1e-3
        # What was moved, as far as float32 lets it.
        moved = float((image + step)[place]) - float((image - step)[place])
        slope = (float(score(image + step)[0]) - float(score(image - step)[0])) / moved
        assert gradient[place] == pytest.approx(slope, rel=2e-2, abs=1e-7)


@pytest.mark.parametrize("gate", ["g[1][1,1]", "g[3][1,2]", "g[5][2,1]"])
def test_ascent_raises_the_score_and_leaves_the_network(model: RoutedModel, gate: str) -> None:
    before = model.get_weights()
    made = synthesize_image(model, gate, steps=30)
    assert made.image.shape == (16, 16, 3) and made.scores.shape == (31,)
    assert made.image.min() >= 0 and made.image.max() <= 1
    assert made.scores[-1] > made.scores[0]
    assert made.scores[-1] == pytest.approx(float(gate_score(model, gate)(made.image[None])[0]), rel=1e-6)
    # More than any of many random images.
    assert made.scores[-1] > np.asarray(gate_score(model, gate)(images(20))).max()
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_seed_decides(model: RoutedModel) -> None:
    first, again, other = (synthesize_image(model, "g[2][1,1]", steps=3, seed=seed).image for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_step_goes_along_the_gradient(model: RoutedModel) -> None:
    options = {"steps": 1, "penalty": 0, "jitter": 0, "blur": 0}
    start = np.clip(np.random.default_rng(0).normal(0.5, 0.05, (16, 16, 3)), 0, 1).astype("float32")
    score = gate_score(model, "g[2][1,1]")
    _, gradient = value_and_gradient(lambda x: score(x)[0])(keras.ops.convert_to_tensor(start[None]))
    gradient = np.asarray(gradient)[0]
    expected = np.clip(start + 0.01 * gradient / np.sqrt(np.mean(gradient**2)), 0, 1)
    made = synthesize_image(model, "g[2][1,1]", step_size=0.01, **options)
    np.testing.assert_allclose(made.image, expected, atol=1e-6)


def test_penalty_pulls_to_grey_and_blur_to_smoothness(model: RoutedModel) -> None:
    options = {"steps": 30, "jitter": 0}
    free, held = (synthesize_image(model, "g[4][1,1]", penalty=penalty, **options).image for penalty in (0, 5))
    assert np.abs(held - 0.5).mean() < 0.7 * np.abs(free - 0.5).mean()
    sharp, smooth = (synthesize_image(model, "g[4][1,1]", blur=blur, **options).image for blur in (0, 2))
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.7 * np.abs(np.diff(sharp, axis=0)).mean()


def test_blur_is_a_gaussian_that_wraps_round() -> None:
    gradient = np.random.default_rng(1).random((9, 12, 2))
    rows, columns = (np.minimum(np.arange(size), size - np.arange(size)) for size in gradient.shape[:2])
    weights = np.exp(-(rows[:, None] ** 2 + columns**2) / 2)
    # By the convolution theorem, of a Gaussian with a deviation of one pixel.
    expected = np.fft.ifft2(
        np.fft.fft2(gradient, axes=(0, 1)) * np.fft.fft2(weights / weights.sum())[..., None], axes=(0, 1)
    ).real
    np.testing.assert_allclose(_blur(gradient, 1.0), expected, atol=1e-4)
    np.testing.assert_array_equal(_blur(gradient, 0.0), gradient)


def test_a_gate_that_no_pixel_moves_makes_a_grey_image() -> None:
    net = zoo.get("basecnn_2cc", **SIZE)
    network = routing_layers(net)[1].gates[0]
    network.choice_layer.kernel.assign(np.zeros(network.choice_layer.kernel.shape))
    made = synthesize_image(net, "g[2][1,1]", steps=50, step_size=0.1)
    assert made.scores.tolist() == [0] * 51
    np.testing.assert_allclose(made.image, 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` must be a positive integer. Received: steps=0"),
        ({"step_size": 0}, "`step_size` must be a positive number. Received: step_size=0"),
        ({"penalty": -1}, "`penalty` must be a number of at least zero. Received: penalty=-1"),
        ({"jitter": 0.5}, "`jitter` must be an integer of at least zero. Received: jitter=0.5"),
        ({"blur": -1}, "`blur` must be a number of at least zero. Received: blur=-1"),
        ({"seed": -1}, "`seed` must be an integer of at least zero. Received: seed=-1"),
    ],
)
def test_a_wrong_argument_is_named(model: RoutedModel, options: dict, message: str) -> None:
    with pytest.raises(ValueError) as error:
        synthesize_image(model, "g[2][1,1]", **options)
    assert message in str(error.value)


_ON_JAX = """
import json, sys, tempfile

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import keras, numpy as np
from pathlib import Path
from tf_routing import analysis, zoo

assert keras.backend.backend() == "jax"
stored = np.load(sys.argv[1])
model = zoo.get("basecnn_2cc", input_shape=(16, 16, 3), width_multiplier=0.125)
model.set_weights([stored[f"w{i}"] for i in range(len(model.weights))])
images = stored["images"]
made = analysis.synthesize_image(model, "g[4][2,1]", steps=5)
values = analysis.gate_values(model, ["g[4][2,1]"], images)[(4, 2, 1)]
folder = Path(tempfile.mkdtemp())
panel = analysis.GateImages("gate", images, values, images, values, made)
analysis.draw_gate_images([panel], folder / "a.png")
analysis.draw_gate_histograms({"gate": {"class": values}}, folder / "b.png")
analysis.draw_weight_histograms(analysis.path_kernels(model, [1, 7]), folder / "c.png")
analysis.draw_accuracy_by_parameters(analysis.accuracy_panels(), folder / "d.png")
flows = [analysis.routing_flow(model, image) for image in images[:2]]
analysis.draw_flow_panels(flows, images[:2], folder / "e.png", ["one", "two"])
drawn = sorted(each.name for each in folder.iterdir() if each.stat().st_size > 5000)
arrays = {"image": made.image, "scores": made.scores, "values": values}
print(json.dumps({"drawn": drawn, **{name: array.tolist() for name, array in arrays.items()}}))
"""


@pytest.mark.heavy
def test_jax_makes_the_same_image_and_draws_every_figure(tmp_path: object) -> None:
    pytest.importorskip("jax")
    keras.utils.set_random_seed(1)
    net = zoo.get("basecnn_2cc", **SIZE)
    weights = {f"w{number}": np.asarray(weight) for number, weight in enumerate(net.weights)}
    np.savez(f"{tmp_path}/weights.npz", images=images(4), **weights)
    printed = run_snippet(_ON_JAX, f"{tmp_path}/weights.npz", backend="jax")
    report = json.loads(printed.splitlines()[-1])
    made = synthesize_image(net, "g[4][2,1]", steps=5)
    np.testing.assert_allclose(report["scores"], made.scores, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(report["image"], made.image, atol=5e-3)
    np.testing.assert_allclose(report["values"], net.routes(images(4))["route_4"][:, 1, 0], rtol=1e-4)
    assert report["drawn"] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
