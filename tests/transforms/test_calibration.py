"""Calibrated gates open on the given share of the images, each after those before it."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import small
from tests.execution.split_nets import decided, split_net
from tests.execution.split_nets import images as small_images
from tests.exit_net import exit_model
from tests.exit_net import images as exit_images
from tf_routing import calibrate, zoo
from tf_routing.execution import gated_blocks
from tf_routing.layers import Controller
from tf_routing.models import Ensemble, RoutedModel

COUNT = 20


@cache
def zoo_net(name: str) -> RoutedModel:
    keras.utils.set_random_seed(2)
    return small(name)


def images() -> np.ndarray:
    return np.random.default_rng(3).uniform(size=(COUNT, 32, 32, 3)).astype("float32")


def switches(model: RoutedModel, x: np.ndarray, setting: str = "masked") -> dict[str, np.ndarray]:
    """The decisions, run eagerly: tracing a sparse network of this depth takes long."""
    before, model.execution = model.execution, setting
    outputs = model(x, training=False, return_outputs=True)
    model.execution = before
    return {name: np.asarray(outputs[name]) for name in model.decision_names}


def assert_shares(model: RoutedModel, x: np.ndarray, rate: float) -> None:
    own = switches(model, x)
    for name, each in own.items():
        assert set(np.unique(each)) <= {0, 1}
        np.testing.assert_allclose(each.mean(axis=0), round(rate * len(x)) / len(x), atol=1e-6, err_msg=name)
        if 0 < rate < 1:
            assert len(np.unique(each, axis=0)) > 1, name


# Shares of none and of all are below, in the order of calibrations of a small net. The papers' own depths are heavy.
@pytest.mark.parametrize(
    ("name", "gates", "rate"),
    [
        ("short_split_resnet", 5, 0.3),
        *(pytest.param("dmnn50_cifar_n2", 16, rate, marks=pytest.mark.heavy) for rate in (0, 0.3, 0.5, 1)),
    ],
)
def test_every_gate_of_a_residual_net_opens_on_the_share(name: str, gates: int, rate: float) -> None:
    model = zoo_net(name)
    calibrate(model, images(), rate=rate)
    assert len(model.decision_names) == gates
    assert_shares(model, images(), rate)


@pytest.mark.parametrize(
    ("name", "gates"),
    [("short_split_mobilenetv2", 8), pytest.param("dmnn_mobilenetv2_n2", 17, marks=pytest.mark.heavy)],
)
def test_every_gate_of_a_mobilenet_opens_on_the_share_forced_or_not(name: str, gates: int) -> None:
    model = zoo_net(name)
    forced = [layer.force_one for layer in model.layers if isinstance(layer, Controller)]
    assert sum(forced) == 4 and len(forced) == gates
    calibrate(model, images(), rate=0.5)
    assert_shares(model, images(), 0.5)


@pytest.mark.parametrize("sub_blocks", [1, 2, 3])
@pytest.mark.parametrize("shortcut", ["identity", None])
def test_shares_are_the_same_masked_and_sparse(shortcut: str | None, sub_blocks: int) -> None:
    model, x = split_net(sub_blocks, shortcut), small_images(COUNT)
    rate = 1 if (shortcut, sub_blocks) == (None, 1) else 0.6
    calibrate(model, x, rate=rate)
    assert_shares(model, x, rate)
    for name, each in switches(model, x, "sparse").items():
        np.testing.assert_array_equal(each, switches(model, x)[name])


def test_a_gate_sees_what_the_gates_before_it_let_through() -> None:
    x = small_images(COUNT)
    model, first_open = split_net(), split_net()
    calibrate(model, x, rate=0.5)
    thresholds = [layer.score_layer.get_weights()[1] for layer in controllers(model)]
    # The same second controller, behind a first block that never runs.
    calibrate(first_open, x, rate=0)
    calibrate_last(first_open, x, 0.5)
    assert np.abs(thresholds[1] - controllers(first_open)[1].score_layer.get_weights()[1]).max() > 1e-3


def controllers(model: RoutedModel) -> list[Controller]:
    return [layer for layer in model.layers if isinstance(layer, Controller)]


def calibrate_last(model: RoutedModel, x: np.ndarray, rate: float) -> None:
    layer = model.get_layer("controller_2")
    reader = keras.Model(model.input, [model.get_layer("block_1").output, model.get_layer("controller_1").output[1]])
    layer.shift_thresholds(layer.shifts_for_rate(rate, *reader(x)))


def test_nothing_changes_but_the_biases_of_the_on_scores() -> None:
    model = split_net()
    before = model.get_weights()
    calibrate(model, small_images(COUNT), rate=0.3)
    for old, weight in zip(before, model.weights, strict=True):
        moved = np.asarray(weight) - old
        if weight.path.endswith("score/bias"):
            assert not moved[0::2].any() and moved[1::2].all()
        elif weight.name != "rows":
            assert not moved.any(), weight.path


def test_each_block_runs_once_on_each_image() -> None:
    model = split_net()
    calibrate(model, small_images(COUNT), rate=1)
    own = [[float(part.get_layer("counter").rows) for part in block.sub_blocks] for block in gated_blocks(model)]
    np.testing.assert_array_equal(own, np.full((2, 2), COUNT))


def test_calibrating_again_sets_another_share() -> None:
    model, x = split_net(), small_images(COUNT)
    for rate in (0, 0.8, 1, 0.25):
        calibrate(model, x, rate=rate)
        np.testing.assert_array_equal(decided(model, x), np.full((2, 2), round(rate * COUNT)))


def test_the_setting_stays_and_functions_compiled_before_see_the_new_thresholds() -> None:
    model, x = split_net(), small_images(COUNT)
    model.execution = "masked"
    model.routes(x)
    calibrate(model, x, rate=0.3)
    assert model.execution == "masked"
    for each in model.routes(x).values():
        np.testing.assert_allclose(each.mean(axis=0), 0.3, atol=1e-6)


def test_the_gates_of_an_ensembles_members_open_on_the_share() -> None:
    members, x = [split_net(2, "identity"), split_net(3, "projection")], small_images(COUNT)
    calibrate(Ensemble.of(members), x, rate=0.3)
    for member in members:
        assert_shares(member, x, 0.3)


def test_images_come_as_bytes_lists_and_batches() -> None:
    x = np.random.default_rng(5).integers(0, 256, (COUNT, 8, 8, 3)).astype("uint8")
    floats, labels = (x / 255).astype("float32"), np.zeros(COUNT)
    pairs = tf.data.Dataset.from_tensor_slices((floats, labels)).batch(7)
    batches = [floats[start : start + 7] for start in range(0, COUNT, 7)]
    ways = (x, x / 255, floats.tolist(), list(floats), batches, pairs, (each for each in pairs), {"image": floats})
    thresholds = []
    for given in ways:
        model = split_net()
        calibrate(model, given, 0.3)
        assert_shares(model, floats, 0.3)
        thresholds.append(np.concatenate([layer.score_layer.get_weights()[1] for layer in controllers(model)]))
    np.testing.assert_allclose(thresholds, [thresholds[0]] * len(ways), rtol=0, atol=1e-5)


def test_images_that_are_none_are_named() -> None:
    model, x = split_net(), small_images(COUNT)
    broken = x.copy()
    broken[3, 1, 1, 1] = np.nan
    for given, message in (
        (broken, "`images` must hold finite numbers. Received: NaN or infinity in image 3"),
        (x.astype("int64"), "`images` must hold images of shape .*, or uint8.*dtype int64"),
        (x[:, :4], "`images` must hold images of shape .*Received: shape"),
        (tf.data.Dataset.from_tensor_slices(x).batch(5).repeat(), "`x` must end"),
    ):
        before = model.get_weights()
        with pytest.raises(ValueError, match=message):
            calibrate(model, given, 0.5)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


# What was reached


def test_what_was_reached_is_reported_by_gate(recwarn: pytest.WarningsRecorder) -> None:
    model, x = split_net(), small_images(COUNT)
    gates = calibrate(model, x, rate=0.3)
    assert [gate.gate for gate in gates] == [f"controller_{n}[{choice}]" for n in (1, 2) for choice in (0, 1)]
    shares = np.concatenate([each.mean(axis=0) for each in switches(model, x).values()])
    np.testing.assert_allclose([gate.reached for gate in gates], shares, atol=1e-6)
    assert {(gate.wanted, gate.images, gate.tied, gate.is_missed) for gate in gates} == {(0.3, COUNT, 0, False)}
    assert not [each for each in recwarn if "is missed" in str(each.message)]


def test_a_share_that_ties_keep_from_being_reached_is_told() -> None:
    model = exit_model(drawn=False)
    with pytest.warns(UserWarning, match="`rate` 0.5 is missed at 2 of 2 gates, by up to 0.5: junction_1") as told:
        gates = calibrate(model, exit_images(20), 0.5)
    message = str(told[-1].message)
    assert "junction_1 reached 0 (20 of 20 images have the same score" in message
    assert "no image comes to junction_2" in message
    assert told[-1].filename == __file__
    assert [(gate.gate, gate.images, gate.tied) for gate in gates] == [("junction_1", 20, 20), ("junction_2", 0, 0)]
    assert gates[0].reached == 0 and np.isnan(gates[1].reached)
    np.testing.assert_array_equal(model.routes(exit_images(20))["junction_1"], [[1, 0]] * 20)


def test_what_goes_on_at_a_junction_is_a_share_of_those_that_come() -> None:
    model = exit_model()
    first, second = calibrate(model, exit_images(20), rate=0.5)
    assert (first.images, second.images) == (20, 10)
    assert first.reached == second.reached == 0.5
    assert model.routes(exit_images(20))["junction_2"].sum() == 10


def test_some_ties_are_told_by_their_number() -> None:
    x = small_images(4)[[0, 0, 0, 1, 2]]
    with pytest.warns(UserWarning, match=r"reached .* \(3 of 5 images have the same score"):
        gates = calibrate(split_net(1, None), x, 0.4)
    for gate in gates:
        assert gate.tied in (0, 3) and gate.is_missed == (round(gate.reached * 5) != 2)


def test_a_forced_switch_tells_the_least_share() -> None:
    image = keras.Input((8, 8, 3))
    switches_, _ = Controller(2, force_one=True, seed=1, name="controller_1")(image)
    model = RoutedModel(image, keras.layers.Dense(3, "softmax")(switches_))
    with pytest.warns(UserWarning, match="one of its parts always runs, so 0.5 is the least"):
        gates = calibrate(model, small_images(COUNT), 0.2)
    assert [gate.reached for gate in gates] == [0.5, 0.5]


def test_a_single_number_of_numpy_is_a_rate() -> None:
    model, x = split_net(), small_images(COUNT)
    calibrate(model, x, np.float32(0.5))
    assert_shares(model, x, 0.5)


def test_a_model_that_switches_nothing_is_named() -> None:
    for model in (zoo.get("basecnn", width_multiplier=0.25), zoo.get("basecnn_2cc", width_multiplier=0.25)):
        with pytest.raises(ValueError, match=f"`model` must have routers with thresholds; '{model.name}' has none"):
            calibrate(model, np.zeros((2, 32, 32, 3), "float32"), rate=0.5)


@pytest.mark.parametrize("rate", [-0.1, 1.1, True, "0.5", None, float("nan")])
def test_a_rate_that_is_none_is_named(rate: Any) -> None:
    model = split_net()
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"`rate` must be in \[0, 1\]. Received: rate={rate!r}"):
        calibrate(model, small_images(2), rate=rate)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_no_images_are_named() -> None:
    with pytest.raises(ValueError, match="`images` must hold at least one image. Received: none"):
        calibrate(split_net(), small_images(0), rate=0.5)
