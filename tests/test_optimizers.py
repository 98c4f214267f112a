"""The decay of DecayedSGD is the gradient of an L2 penalty on kernels, and goes through the momentum."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.snippets import run_snippet
from tf_routing import zoo
from tf_routing.layers import CrossStitch
from tf_routing.optimizers import DecayedSGD, Triangular, Warmup


def variable(name: str) -> keras.Variable:
    return keras.Variable(np.array([1.0], "float32"), name=name)


def two_steps(optimizer: DecayedSGD, weight: keras.Variable) -> list[float]:
    values = []
    for gradient in (0.5, 0.25):
        optimizer.apply([keras.ops.array([gradient])], [weight])
        values.append(float(weight[0]))
    return values


def test_two_steps_on_a_kernel_by_hand() -> None:
    weight = variable("kernel")
    optimizer = DecayedSGD(learning_rate=0.1, momentum=0.9, kernel_decay=0.01)
    # g = 0.5 + 0.01 * 1 = 0.51, v = -0.051; then g = 0.25 + 0.01 * 0.949 = 0.25949, v = -0.0459 - 0.025949.
    np.testing.assert_allclose(two_steps(optimizer, weight), [0.949, 0.877151], rtol=1e-6)


def test_two_steps_on_a_bias_by_hand() -> None:
    optimizer = DecayedSGD(learning_rate=0.1, momentum=0.9, kernel_decay=0.01)
    # v = -0.05; then v = -0.045 - 0.025.
    np.testing.assert_allclose(two_steps(optimizer, variable("bias")), [0.95, 0.88], rtol=1e-6)


def test_two_steps_without_momentum_by_hand() -> None:
    optimizer = DecayedSGD(learning_rate=0.1, momentum=0.0, kernel_decay=0.01)
    np.testing.assert_allclose(two_steps(optimizer, variable("kernel")), [0.949, 0.923051], rtol=1e-6)


def test_it_steps_as_sgd_on_a_loss_with_an_l2_penalty() -> None:
    weight, penalised = variable("kernel"), variable("kernel")
    decayed, plain = DecayedSGD(0.1, kernel_decay=0.05), keras.optimizers.SGD(0.1, momentum=0.9)
    for gradient in (0.5, -0.25, 0.125):
        decayed.apply([keras.ops.array([gradient])], [weight])
        plain.apply([keras.ops.array([gradient]) + 0.05 * penalised], [penalised])
    assert float(weight[0]) != 1.0
    np.testing.assert_allclose(float(weight[0]), float(penalised[0]), rtol=1e-6)


def test_only_kernels_of_layers_are_decayed() -> None:
    image = keras.Input((6, 6, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(5, 3)(image))
    x = keras.layers.SeparableConv2D(4, 2)(keras.layers.DepthwiseConv2D(2)(x))
    x = keras.layers.GRU(3)(keras.layers.LSTM(3, return_sequences=True)(keras.layers.Reshape((4, 4))(x)))
    x = CrossStitch(1)(x)[0]
    model = keras.Model(image, keras.layers.Dense(2)(x))
    weights = model.trainable_weights
    for weight in weights:
        weight.assign(np.full(weight.shape, 2.0))
    optimizer = DecayedSGD(learning_rate=0.5, momentum=0.0, kernel_decay=0.1)
    optimizer.apply([np.zeros(weight.shape, "float32") for weight in weights], weights)
    kernels = [*["kernel"] * 5, *["recurrent_kernel"] * 2, "depthwise_kernel", "pointwise_kernel"]
    assert sorted(each.name for each in weights) == sorted(["alpha", "beta", *["bias"] * 6, "gamma", *kernels])
    for weight in weights:
        # 2 - 0.5 * 0.1 * 2 = 1.9.
        np.testing.assert_allclose(np.asarray(weight), 1.9 if weight.name in kernels else 2.0, rtol=1e-6)


@pytest.mark.parametrize("kind", ["linear", "recurrent"])
def test_routers_of_a_network_are_decayed_as_the_rest(kind: str) -> None:
    model = zoo.get("drn_resnet32", router=kind, width_multiplier=0.25)
    weights = model.trainable_weights
    before = [np.asarray(weight) for weight in weights]
    optimizer = DecayedSGD(learning_rate=0.5, momentum=0.0, kernel_decay=0.1)
    optimizer.apply([np.zeros(weight.shape, "float32") for weight in weights], weights)
    shrunk = {
        weight.path for weight, was in zip(weights, before, strict=True) if np.allclose(np.asarray(weight), 0.95 * was)
    }
    # All that have rows and columns, and no others; what starts at zero stays there, decayed or not.
    wide = {weight.path for weight in weights if len(weight.shape) > 1}
    zero = {weight.path for weight, was in zip(weights, before, strict=True) if not was.any()}
    assert shrunk - zero == wide - zero
    assert any("recurrent_kernel" in path for path in shrunk) == (kind == "recurrent")


def test_get_config_round_trip() -> None:
    optimizer = DecayedSGD(learning_rate=0.25, momentum=0.5, kernel_decay=0.125, nesterov=True)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is DecayedSGD
    assert again.get_config() == optimizer.get_config()
    assert (again.kernel_decay, again.momentum, again.nesterov) == (0.125, 0.5, True)
    assert float(again.learning_rate) == 0.25


def test_round_trip_of_a_schedule_steps_the_same() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.01])
    optimizer = DecayedSGD(schedule, momentum=0.0, kernel_decay=0.01)
    again = DecayedSGD.from_config(optimizer.get_config())
    # 1 - 0.1 * 0.51 = 0.949, then 0.949 - 0.01 * 0.25949 = 0.9464051.
    np.testing.assert_allclose(two_steps(again, variable("kernel")), [0.949, 0.9464051], rtol=1e-6)


def test_a_negative_decay_is_named() -> None:
    for decay in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=f"`kernel_decay` must be a number of at least zero. Received: .*={decay}"):
            DecayedSGD(kernel_decay=decay)


def test_no_steps_of_warm_up_leave_the_schedule_as_it_is() -> None:
    halving = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
    for schedule, expected in ((halving, [0.1, 0.05]), (0.3, [0.3, 0.3])):
        rates = Warmup(schedule, steps=0)
        np.testing.assert_allclose([float(rates(step)) for step in (0, 4)], expected, rtol=1e-6)
    again = Warmup.from_config(Warmup(halving, steps=0).get_config())
    assert float(again(0)) == pytest.approx(0.1)


@pytest.mark.parametrize("steps", [-1, 2.5, True, None])
def test_wrong_steps_of_warm_up_are_named(steps: Any) -> None:
    with pytest.raises(ValueError, match=f"`steps` must be an integer of at least zero. Received: steps={steps!r}"):
        Warmup(0.1, steps)


def test_a_model_saved_with_a_rate_that_rises_loads_elsewhere(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    halving = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
    model.compile(DecayedSGD(Warmup(halving, steps=4)), "mse")
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, tf_routing, keras\n"
        "rates = keras.saving.load_model(sys.argv[1]).optimizer._learning_rate\n"
        "print([round(float(rates(step)), 6) for step in (0, 2, 4, 8)])\n"
    )
    printed = run_snippet(code, tmp_path / "model.keras")
    # The rate halves every four steps, and is multiplied by a quarter of the step until then.
    assert printed.splitlines()[-1] == str([0.0, round(0.05 / 2**0.5, 6), 0.05, 0.025])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        # Two steps up to 0.4, then 0.05 less with each of eight.
        ({"steps": 10, "rising_steps": 2}, {0: 0.0, 1: 0.2, 2: 0.4, 3: 0.35, 6: 0.2, 9: 0.05, 10: 0.0, 12: 0.0}),
        ({"steps": 4}, {0: 0.4, 1: 0.3, 3: 0.1, 4: 0.0, 5: 0.0}),
        ({"steps": 4, "rising_steps": 3}, {0: 0.0, 1: 0.4 / 3, 3: 0.4, 4: 0.0}),
    ],
)
def test_a_triangle_by_hand(arguments: dict[str, int], expected: dict[int, float]) -> None:
    rate = Triangular(0.4, **arguments)
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    for each in (rate, restored):
        np.testing.assert_allclose([float(each(step)) for step in expected], list(expected.values()), atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10, 2), "`highest` must be a positive number. Received: highest=0.0"),
        ((0.1, 0, 0), "`steps` must be a positive integer. Received: steps=0"),
        ((0.1, 10, -1), "`rising_steps` must be an integer of at least zero. Received: rising_steps=-1"),
        ((0.1, 10, 10), "`rising_steps` must be below steps=10. Received: rising_steps=10"),
    ],
)
def test_a_triangle_that_is_none_is_named(arguments: tuple[float, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Triangular(*arguments)
