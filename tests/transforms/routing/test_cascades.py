"""A cascade answers with the first of its networks that is sure, and runs no more of them than that takes."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import CLASSES, SHAPE, images, own_net
from tf_routing import exit_tree, zoo

# Three kinds of network, so that each step has its own layers.
KINDS = ("transferred", "residual", "preactivated")
RANGE = (0, 255)


def members() -> list[keras.Model]:
    return [own_net(kind) for kind in KINDS]


@cache
def parted() -> tf_routing.RoutedModel:
    """A cascade of three networks, each of which answers about a third of the images."""
    model = tf_routing.cascade(members(), input_range=RANGE)
    x = images(12)
    for number, rate in ((1, 2 / 3), (2, 1 / 2)):
        junction = model.get_layer(f"junction_{number}")
        inputs = keras.Model(model.input, junction.input)(x, training=False)
        junction.shift_thresholds(junction.shifts_for_rate(rate, *keras.tree.flatten(inputs)))
    return model


def answers_of(model: keras.Model, x: np.ndarray) -> np.ndarray:
    # With oneDNN convolutions of no images return another shape: a plain network answers none of them.
    if not len(x):
        return np.zeros((0, model.output_shape[-1]), "float32")
    # One of them flips images unless told not to.
    return np.asarray(model(x, training=False))


def who_answers(model: tf_routing.RoutedModel, x: np.ndarray) -> np.ndarray:
    """Returns the number of the network at which each image leaves, from thresholds and probabilities alone."""
    odds = [np.log(p / (1 - p)) for p in (answers_of(each, x).max(axis=1) for each in members()[:2])]
    sure = [o >= float(model.get_layer(f"junction_{n}").threshold[0]) for n, o in enumerate(odds, 1)]
    return np.where(sure[0], 0, np.where(sure[1], 1, 2))


def by_hand(model: tf_routing.RoutedModel, x: np.ndarray) -> np.ndarray:
    answers = np.stack([answers_of(each, x) for each in members()])
    return answers[who_answers(model, x), np.arange(len(x))]


@pytest.mark.parametrize("execution", ["masked", "sparse", "buckets"])
def test_the_first_network_that_is_sure_answers(execution: str) -> None:
    model = parted()
    answering = who_answers(model, images(12))
    assert np.bincount(answering).tolist() == [4, 4, 4]
    model.set_execution(*(("sparse", "buckets") if execution == "buckets" else (execution,)))
    for count in (0, 1, 5, 12):
        x = images(12)[:count]
        np.testing.assert_allclose(model(x, training=False), by_hand(model, x), atol=1e-5)
        decided = model.decide(x)
        np.testing.assert_allclose(decided["probabilities"], by_hand(model, x), atol=1e-5)
        leaves = np.eye(3)[answering[:count]]
        np.testing.assert_array_equal(decided["junction_1"], np.stack([leaves[:, 0], 1 - leaves[:, 0]], axis=1))
        np.testing.assert_array_equal(decided["junction_2"], leaves[:, 1:])


def test_who_left_costs_no_later_network() -> None:
    model, x = parted(), images(12)
    alone = [tf_routing.cost.static_macs(each) for each in members()]
    assert model.cost(x).tolist() == np.cumsum(alone)[who_answers(model, x)].tolist()
    assert model.static_cost == sum(alone)


def test_names_tell_the_networks_apart() -> None:
    tree = exit_tree.find_tree(parted())
    assert [leaf.layer for leaf in exit_tree.exits(tree)] == ["exit_1", "exit_2", "exit_3"]
    assert tree.columns[-1] == "predictions" and tree.sinks[1].columns[-1] == "network_2_predictions"
    assert parted().decision_names == ["junction_1", "junction_2"]


@pytest.mark.parametrize("unit_input", [False, True])
def test_networks_of_different_ranges_take_floats_of_the_unit(unit_input: bool) -> None:
    image = keras.Input(SHAPE)
    small = zoo.get("basecnn", width_multiplier=1 / 16, input_shape=SHAPE, classes=CLASSES)
    large = keras.Model(image, own_net("residual")(keras.layers.Rescaling(1 / 255)(image)))
    if not unit_input:
        with pytest.raises(ValueError, match=r"`models` must take images in one range, or `unit_input=True`"):
            tf_routing.cascade([small, large])
        return
    model, x = tf_routing.cascade([small, large], 0.999999, unit_input=True), images() / 255
    assert model.input_range == (0, 1)
    np.testing.assert_allclose(model(x), large(255 * x), rtol=1e-5)


def test_only_thresholds_train_unless_asked() -> None:
    model, thawed = (tf_routing.cascade(members(), input_range=RANGE, freeze_bodies=frozen) for frozen in (True, False))
    assert [weight.path for weight in model.trainable_weights] == ["junction_1/threshold", "junction_2/threshold"]
    assert len(thawed.trainable_weights) == 2 + sum(len(each.trainable_weights) for each in members())
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = float(model.get_layer("junction_1").threshold[0])
    model.train_on_batch(images())
    assert float(model.get_layer("junction_1").threshold[0]) != before


def test_budgets_are_met() -> None:
    model, x = tf_routing.cascade(members(), input_range=RANGE), images(12)
    rows = tf_routing.calibrate_budgets(model, x, budgets=[0.5, 0.8])
    model.set_budget(rows[0].budget)
    cheap = model.cost(x).mean() / model.static_cost
    model.set_budget(rows[1].budget)
    assert cheap < model.cost(x).mean() / model.static_cost <= 1


def test_calibration_sees_images_as_they_are() -> None:
    # The first network flips images while it trains.
    model, x = tf_routing.cascade(members(), input_range=RANGE), images(12)
    tf_routing.calibrate(model, x, rate=0.5)
    assert np.asarray(model.decide(x)["junction_1"]).sum(axis=0).tolist() == [6, 6]
    odds = np.sort(np.log(1 / (1 / answers_of(members()[0], x).max(axis=1) - 1)))
    assert odds[5] < float(model.get_layer("junction_1").threshold[0]) < odds[6]


def test_it_is_saved_and_folded(tmp_path: Path) -> None:
    model, x = parted(), images(12)
    model.save(tmp_path / "cascade.keras")
    for other in (keras.saving.load_model(tmp_path / "cascade.keras"), tf_routing.fold_batch_norm(model)):
        np.testing.assert_allclose(answers_of(other, x), by_hand(model, x), atol=1e-5)


def test_an_onnx_file_skips(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    model, x = parted(), images(12)
    tf_routing.onnx_export.export_onnx(model, tmp_path / "cascade.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "cascade.onnx", providers=["CPUExecutionProvider"])
    for count in (0, 1, 5, 12):
        answers, macs = session.run(["probabilities", "macs"], {"images": x[:count]})
        np.testing.assert_allclose(answers, by_hand(model, x[:count]), atol=1e-5)
        np.testing.assert_array_equal(macs, model.cost(x[:count]) if count else [])


def _of_other_classes() -> keras.Model:
    return zoo.get("basecnn", width_multiplier=1 / 16, input_shape=SHAPE, classes=CLASSES + 1)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (lambda: own_net("residual"), "`models` must be a list of two networks or more"),
        (lambda: [own_net("residual")], "`models` must be a list of two networks or more"),
        (lambda: [own_net("residual"), _of_other_classes()], r"`models\[1\]` must take images and give classes"),
        (lambda: [parted(), parted()], r"`models\[0\]` must not decide itself"),
        (lambda: ["resnet50", "resnet101"], "resnet50"),
    ],
)
def test_what_is_no_cascade_is_refused(models: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tf_routing.cascade(models(), input_range=RANGE)


@pytest.mark.parametrize(
    "policies", [("float32", "mixed_bfloat16"), ("mixed_float16", "float32"), ("float64", "float32")]
)
def test_networks_of_several_precisions(policies: tuple[str, str]) -> None:
    small, large = (own_net(dtype=policy) for policy in policies)
    x = images(9)
    median = float(np.median(np.asarray(small(x), "float32").max(axis=1)))
    model = tf_routing.cascade([small, large], median, input_range=RANGE)
    leaves = model.routes(x)["junction_1"][:, :1] == 1
    assert 0 < leaves.sum() < len(x)
    expected = np.where(leaves, np.asarray(small(x), "float32"), np.asarray(large(x), "float32"))
    for execution in (("masked",), ("sparse",), ("sparse", "buckets")):
        model.set_execution(*execution)
        np.testing.assert_allclose(np.asarray(model.predict(x, verbose=0), "float32"), expected, atol=2e-3)


@pytest.mark.parametrize("types", [("uint8", "uint8"), ("float32", "uint8")])
def test_networks_of_bytes_take_floats_where_asked(types: tuple[str, str]) -> None:
    members = [_of_type(each) for each in types]
    x = np.random.default_rng(5).integers(256, size=(6, *SHAPE)).astype("uint8")
    model = tf_routing.cascade(members, 0.999999, input_range=(0, 255), unit_input=True)
    assert model.input.dtype == "float32" and model.input_range == (0, 1)
    np.testing.assert_allclose(model(x.astype("float32") / 255), members[1](x), rtol=0, atol=1e-5)
    if len(set(types)) > 1:
        with pytest.raises(ValueError, match="`models` must take images of one type, or.*Received: float32, uint8"):
            tf_routing.cascade(members, input_range=(0, 255))
    else:
        model = tf_routing.cascade(members, 0.999999, input_range=(0, 255))
        np.testing.assert_array_equal(model(x), members[1](x))


def _of_type(dtype: str) -> keras.Model:
    image = keras.Input(SHAPE, dtype=dtype)
    x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3, "softmax")(keras.layers.Flatten()(x)))
