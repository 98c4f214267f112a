"""Calibrated budgets hold on images that were not seen, in every family, masked and sparse."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import exit_net, gated_net, skip_net
from tests.brightness_net import brightness_net, share
from tests.brightness_net import images as bright_images
from tf_routing import calibrate_budgets, zoo
from tf_routing.layers import SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.models.budgets.set_budget import apply_budget

# Enough for an error of a percent at most: costs of images that leave early differ most.
COUNTS = {"drn": 3000, "dmnn": 3000, "chain": 10000, "tree": 10000}
BUDGETS = (0.25, 0.5, 0.75)


def _normal(shape: tuple[int, ...], spread: float) -> Callable[[int], np.ndarray]:
    def draw(count: int) -> np.ndarray:
        rng = np.random.default_rng(count)
        return (rng.normal(size=(count, 1, 1, 1)) * spread + rng.normal(size=(count, *shape))).astype("float32")

    return draw


NETS: dict[str, tuple[Callable[[], RoutedModel], Callable[[int], np.ndarray]]] = {
    "drn": (skip_net.skip_model, _normal(skip_net.SHAPE, 1.0)),
    "dmnn": (gated_net.gated_model, _normal((6, 6, 3), 1.0)),
    "chain": (exit_net.exit_model, _normal(exit_net.SHAPE, 0.3)),
    "tree": (lambda: exit_net.exit_model(exit_net.BRANCHES), _normal(exit_net.SHAPE, 0.3)),
}

# Images enough for exits take half a minute; a net of each kind of block, and by hand, is in every run.
EACH = [pytest.param(name, marks=pytest.mark.heavy if name in ("chain", "tree") else ()) for name in NETS]


@cache
def trained(name: str) -> RoutedModel:
    """A small net after a few steps, calibrated to shares of what its thresholds reach."""
    build, draw = NETS[name]
    model = build()
    x = draw(240)
    keras.utils.set_random_seed(7)
    model.compile(keras.optimizers.SGD(0.02))
    model.fit(x, np.arange(240) % 4, batch_size=48, epochs=2, verbose=0)
    rows = calibrate_budgets(model, draw(240))
    low, high = rows[0].budget, rows[-1].budget
    calibrate_budgets(model, draw(COUNTS[name] + 1), [low + each * (high - low) for each in BUDGETS])
    return model


@pytest.mark.filterwarnings("ignore:`.*holds values")
@pytest.mark.parametrize("name", EACH)
def test_the_mean_on_other_images_is_what_was_asked_for(name: str) -> None:
    model, x = trained(name), NETS[name][1](COUNTS[name])
    low, high = model.budgets[0].budget, model.budgets[-1].budget
    # Calibrated ones, and some between.
    for budget in [*(row.budget for row in model.budgets), *np.linspace(low, high, 5)[1:-1]]:
        model.set_budget(float(budget))
        costs = model.cost(x, batch_size=500) / model.static_cost
        # Of the means of both sets of images.
        error = costs.std() * np.sqrt(2 / len(x))
        assert error < 0.01 * budget
        assert costs.mean() == pytest.approx(budget, rel=0.02)
    model.set_budget(None)


@pytest.mark.filterwarnings("ignore:`.*holds values")
@pytest.mark.parametrize("name", EACH)
def test_masked_equals_sparse_at_a_budget(name: str) -> None:
    model, x = trained(name), NETS[name][1](200)
    model.set_budget(model.budgets[1].budget)
    results = {}
    for execution in ("masked", "sparse"):
        model.execution = execution
        outputs = model.decide(x)
        results[execution] = {key: np.asarray(value) for key, value in outputs.items()}
    model.execution = "masked"
    model.set_budget(None)
    for key, values in results["masked"].items():
        np.testing.assert_allclose(results["sparse"][key], values, atol=1e-5, err_msg=key)
    decisions = np.concatenate([results["masked"][name].ravel() for name in model.decision_names])
    assert 0 < decisions.mean() < 1


@pytest.mark.filterwarnings("ignore:`.*holds values")
@pytest.mark.parametrize("name", EACH)
def test_rows_are_what_the_model_does_on_the_images(name: str) -> None:
    model, x = trained(name), NETS[name][1](COUNTS[name] + 1)
    for row in model.budgets:
        model.set_budget(row.budget)
        assert model.cost(x, batch_size=500).mean() == pytest.approx(row.macs, rel=1e-3)
        assert row.share == pytest.approx(row.budget, rel=0.003)
        assert row.leeway > 1e-4
    model.set_budget(None)


@pytest.mark.filterwarnings("ignore:`.*holds values")
def test_accuracies_are_those_of_the_model() -> None:
    for name in ("chain", "dmnn"):
        model, x = NETS[name][0](), NETS[name][1](300)
        labels = np.random.default_rng(1).integers(0, 4, len(x))
        rows = calibrate_budgets(model, tf.data.Dataset.from_tensor_slices((x, labels)).batch(64))
        for row in rows:
            model.set_budget(row.budget)
            right = model.predict(x, verbose=0).argmax(axis=1) == labels
            assert row.accuracy == pytest.approx(right.mean(), abs=1e-9)
        assert calibrate_budgets(model, x, rows[1].budget)[0].accuracy is None


@pytest.mark.filterwarnings("ignore:`.*holds values")
def test_a_chain_runs_once() -> None:
    counted = _Batches(NETS["chain"][1](64))
    calibrate_budgets(exit_net.exit_model(), counted)
    # Once for labels and once through the network; Keras may look at the first one more often.
    assert counted.read < 3 * counted.num_batches


class _Batches(keras.utils.PyDataset):
    """Counts how often batches are read."""

    def __init__(self, x: np.ndarray) -> None:
        super().__init__()
        self.x, self.read = x, 0

    @property
    def num_batches(self) -> int:
        return 4

    def __getitem__(self, number: int) -> Any:
        self.read += 1
        return (self.x[16 * number : 16 * number + 16],)


@pytest.mark.filterwarnings("ignore:`.*holds values")
def test_no_image_of_a_chain_executes_less_at_a_larger_budget() -> None:
    for tree in (exit_net.CHAIN, exit_net.BRANCHES):
        model, x = exit_net.exit_model(tree), NETS["tree"][1](300)
        rows = calibrate_budgets(model, x)
        before = np.zeros(len(x))
        for budget in np.linspace(rows[0].budget, rows[-1].budget, 9):
            model.set_budget(float(budget))
            costs = model.cost(x, batch_size=300)
            assert (costs >= before).all()
            before = costs


def test_a_jump_is_told_by_its_router() -> None:
    x = np.repeat(bright_images(2), 50, axis=0)
    model = brightness_net(0.3)
    static = model.static_cost
    with pytest.warns(UserWarning, match=r"50 images have the same score at router_1") as told:
        rows = calibrate_budgets(model, x, [(static - 1) / static, 1.0])
    assert told[-1].filename == __file__
    assert rows[0].is_missed and rows[0].share in (1.0, (static - 2) / static)
    with pytest.warns(UserWarning, match="no threshold comes nearer to the budget"):
        model.set_budget(rows[0].budget)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert apply_budget(model, rows[0].budget) == rows[0].share


def test_scores_that_rounding_alone_tells_apart_are_told() -> None:
    model, x = brightness_net(0.3), 0.3 + bright_images(100) * 1e-5
    with pytest.warns(UserWarning, match="score so nearly alike there that rounding decides"):
        calibrate_budgets(model, x.astype("float32"), 0.85)


# What is refused


@pytest.mark.parametrize("budgets", [0, 1.5, True, "0.6", (0.5, "0.6"), (True,), (float("nan"),), ()])
def test_budgets_that_are_none_are_named(budgets: Any) -> None:
    model = brightness_net()
    with pytest.raises(ValueError, match="`budgets` must hold"):
        calibrate_budgets(model, bright_images(), budgets)


def test_budgets_out_of_reach_are_named() -> None:
    model = brightness_net()
    before = model.get_weights()
    with pytest.raises(ValueError, match="`budgets` must be from 0.5 to 1, what thresholds .* Received: 0.2"):
        calibrate_budgets(model, bright_images(), (0.2, 0.6))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.budgets == []


def test_a_calibration_that_fails_leaves_the_budgets_of_before() -> None:
    model = brightness_net()
    rows = calibrate_budgets(model, bright_images(), 0.7)
    model.set_budget(0.7)
    before = model.get_weights()
    with pytest.raises(ValueError, match="`budgets` must be from"):
        calibrate_budgets(model, bright_images(), 0.2)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert (model.budgets, model.budget) == (rows, 0.7)


def test_images_and_labels_are_checked_before_anything_runs() -> None:
    model, x = brightness_net(), bright_images()
    broken = x.copy()
    broken[7, 0, 0, 0] = np.nan
    for given, labels, message in (
        (x[:0], None, "`images` must hold at least one image"),
        (x[..., 0, 0], None, "`images` must hold images of shape"),
        (broken, None, "NaN or infinity in image 7"),
        (x, np.zeros(3), "`labels` must hold one label for each of 100 images. Received: 3"),
        (x, np.full(100, 2), "`labels` must hold class indices: whole numbers from 0 to 1.*Received: label 2 in row 0"),
        (x, np.full(100, 0.5), "`labels` must hold class indices.*Received: label 0.5 in row 0"),
        (x, np.full(100, np.nan), "`labels` must hold class indices.*Received: label nan in row 0"),
        (x, np.full(100, "cat"), "`labels` must hold numbers"),
        (tf.data.Dataset.from_tensor_slices((x, np.full(100, 7))).batch(5), None, "Received: label 7 in row 0"),
        (tf.data.Dataset.from_tensor_slices(x).batch(5).repeat(), None, "`x` must end"),
    ):
        with pytest.raises(ValueError, match=message):
            calibrate_budgets(model, given, 0.7, labels)
    np.testing.assert_array_equal(model.get_layer("router_1").bias, [-0.25])


def test_labels_may_be_distributions() -> None:
    model, labels = brightness_net(), np.random.default_rng(1).integers(2, size=100)
    (row,) = calibrate_budgets(model, bright_images(), 0.7, labels)
    (other,) = calibrate_budgets(model, bright_images(), 0.7, np.eye(2)[labels])
    pairs = tf.data.Dataset.from_tensor_slices((bright_images(), np.eye(2)[labels])).batch(7)
    (read,) = calibrate_budgets(model, pairs, 0.7)
    assert row.accuracy == other.accuracy == read.accuracy and 0 < row.accuracy < 1


def test_a_model_that_switches_nothing_is_named() -> None:
    model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    with pytest.raises(ValueError, match="`model` must have routers with thresholds; 'basecnn_2cc' has none"):
        calibrate_budgets(model, np.zeros((2, 32, 32, 3), "float32"))


def test_routers_that_draw_are_named() -> None:
    image = keras.Input((4, 4, 3))
    decision = SkipRouter(decision="bernoulli", name="router_1")(image)
    model = RoutedModel(image, keras.layers.Dense(3, "softmax")(decision))
    with pytest.raises(ValueError, match="Router 'router_1' decides by 'bernoulli', not by a threshold"):
        calibrate_budgets(model, np.zeros((2, 4, 4, 3), "float32"))


def test_all_forms_of_images_give_the_same() -> None:
    x = bright_images()
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(7)
    for given in (x, list(x), {"image": x}, dataset, (each for each in np.split(x, 4))):
        (row,) = calibrate_budgets(brightness_net(), given, share(90, 40))
        assert row.offset == pytest.approx(0.155, abs=1e-6)
