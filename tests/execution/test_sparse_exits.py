"""Leaving early for real computes what running everything computes, and each part only on samples that come there."""

import itertools
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.execution.split_nets import relative
from tests.exit_net import BRANCHES, CHAIN, CLASSES, SHAPE, balance, exit_model, images, vary
from tests.graph_operations import operations
from tf_routing import calibrate, exit_tree, export
from tf_routing.execution.sparse_exits import SparseExits
from tf_routing.layers import ConfidenceJunction, ExitMixture, Junction
from tf_routing.models import RoutedModel

TREES = {"chain": CHAIN, "branches": BRANCHES}
FAR = 1e6


@cache
def net(name: str) -> RoutedModel:
    """A network that ends in logits, since a softmax hides differences, and is left at every exit."""
    model = exit_model(TREES[name], classifier_activation=None)
    vary(model)
    balance(model)
    calibrate(model, images(40), rate=0.7)
    return model


def forced(name: str, leave: bool) -> RoutedModel:
    """A network that all samples leave at the first exit, or none before the last on the way."""
    model = exit_model(TREES[name], classifier_activation=None)
    vary(model)
    for layer in model.layers:
        if isinstance(layer, Junction):
            layer.shift_thresholds(np.array([-FAR if leave else FAR]))
    return model


def answers(model: RoutedModel, x: Any, execution: str) -> dict[str, np.ndarray]:
    model.execution = execution
    return {name: np.asarray(each) for name, each in model.decide(x).items()}


def assert_sparse_is_masked(model: RoutedModel, x: Any) -> dict[str, np.ndarray]:
    """Checks answers and decisions, called and decided; returns the latter."""
    masked, sparse = answers(model, x, "masked"), answers(model, x, "sparse")
    assert set(sparse) == set(masked) == {"probabilities", *model.decision_names}
    for name in model.decision_names:
        assert sparse[name].dtype == masked[name].dtype
        np.testing.assert_array_equal(sparse[name], masked[name], err_msg=name)
    assert relative(sparse["probabilities"], masked["probabilities"]) <= 1e-5
    assert relative(model(x, training=False), masked["probabilities"]) <= 1e-5
    return sparse


def left(model: RoutedModel, decisions: dict[str, np.ndarray]) -> Counter[str]:
    """How many samples leave by each exit."""
    routes = exit_tree.routes(model.get_layer("probabilities").tree)
    rows = [
        np.prod([decisions[junction][:, choice] for junction, choice in route.choices.items()], axis=0)
        for route in routes
    ]
    return Counter({route.exit: int(each.sum()) for route, each in zip(routes, rows, strict=True)})


@pytest.mark.parametrize("count", [1, 2, 7, 40])
@pytest.mark.parametrize("name", TREES)
def test_sparse_equals_masked(name: str, count: int) -> None:
    decisions = assert_sparse_is_masked(net(name), images(count))
    counts = left(net(name), decisions)
    assert sum(counts.values()) == count
    if count == 40:
        assert min(counts.values()) > 0


@pytest.mark.parametrize("name", TREES)
def test_each_image_by_itself_equals_masked(name: str) -> None:
    exits = Counter()
    for n in range(12):
        exits += left(net(name), assert_sparse_is_masked(net(name), images(40)[n : n + 1]))
    assert len(exits) > 2


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("name", TREES)
def test_all_leave_at_the_first_exit(name: str, count: int) -> None:
    model = forced(name, leave=True)
    decisions = assert_sparse_is_masked(model, images(count))
    assert +left(model, decisions) == {"exit_1": count}


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("name", TREES)
def test_none_leaves_early(name: str, count: int) -> None:
    model = forced(name, leave=False)
    decisions = assert_sparse_is_masked(model, images(count))
    assert set(+left(model, decisions)) <= {"exit_3", "exit_3_1", "exit_3_2"}


@pytest.mark.parametrize("name", TREES)
def test_no_images_give_no_rows(name: str) -> None:
    model = net(name)
    for execution in ("masked", "sparse"):
        found = answers(model, images(0), execution)
        assert found["probabilities"].shape == (0, CLASSES)
        assert {found[key].shape[0] for key in model.decision_names} == {0}


@pytest.mark.parametrize("name", TREES)
def test_graphs_of_known_and_of_any_batch_size(name: str) -> None:
    model, counts = net(name), (1, 7)
    expected = {count: answers(model, images(count), "masked") for count in counts}
    model.execution = "sparse"
    known, any_ = tf.function(model.decide), tf.function(model.decide, [tf.TensorSpec((None, *SHAPE), tf.float32)])
    for count, run in itertools.product(counts, (known, any_)):
        found = run(tf.constant(images(count)))
        assert relative(found["probabilities"], expected[count]["probabilities"]) <= 1e-5
        for key in model.decision_names:
            np.testing.assert_array_equal(found[key], expected[count][key])
    assert any_(tf.constant(images(0)))["probabilities"].shape == (0, CLASSES)


# Told costs


def told(count: int) -> dict[str, np.ndarray]:
    """Images, each with a cost of its own."""
    return {"image": images(count), "cost": np.linspace(0, 6.4e-8, 40, dtype="float32")[:count, None]}


@cache
def told_net(name: str) -> RoutedModel:
    """A network that heeds costs so much that one of a wrong sample would show."""
    model = exit_model(TREES[name], classifier_activation=None, dynamic_cost=True)
    vary(model)
    for junction in [layer for layer in model.layers if isinstance(layer, Junction)]:
        kernel, bias = junction.hidden_layers[0].get_weights()
        kernel[-1] = 20 * np.sign(kernel[-1])
        junction.hidden_layers[0].set_weights([kernel, bias])
    calibrate(model, told(40), rate=0.7)
    return model


@pytest.mark.parametrize("count", [1, 7, 40])
@pytest.mark.parametrize("name", TREES)
def test_costs_go_on_with_their_samples(name: str, count: int) -> None:
    model = told_net(name)
    decisions = assert_sparse_is_masked(model, told(count))
    flat = {**told(count), "cost": told(count)["cost"][:, 0]}
    for key, each in answers(model, flat, "sparse").items():
        np.testing.assert_array_equal(each, decisions[key], err_msg=key)
    if count == 40:
        backwards = {**told(count), "cost": told(count)["cost"][::-1]}
        assert (answers(model, backwards, "masked")["junction_1"] != decisions["junction_1"]).any()


def test_no_images_with_costs_give_no_rows() -> None:
    model = told_net("chain")
    for execution in ("masked", "sparse"):
        assert answers(model, told(0), execution)["probabilities"].shape == (0, CLASSES)


# What later parts read


def reading_back() -> RoutedModel:
    """A network whose second stage begins at the coarse maps, and reads the fine ones and the image further on."""
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE, name="image")
    fine = keras.layers.Conv2D(3, 3, padding="same", name="fine")(image)
    coarse = keras.layers.Conv2D(4, 3, 2, padding="same", name="coarse")(fine)
    head = keras.layers.Dense(CLASSES, name="head")(keras.layers.GlobalAveragePooling2D(name="pool")(coarse))
    leaves, goes_on = ConfidenceJunction(0.5, name="junction")(head)[2:]
    parts = [
        keras.layers.Conv2D(4, 3, strides, padding="same", name=f"column_{number}")(maps)
        for number, (maps, strides) in enumerate(((coarse, 1), (fine, 2), (image, 2)), 1)
    ]
    means = keras.layers.GlobalAveragePooling2D(name="means")(keras.layers.Add(name="sum")(parts))
    logits = [keras.layers.Identity(name="exit_1")(head), keras.layers.Dense(CLASSES, name="exit_2")(means)]
    columns = [("fine", "coarse", "head"), ("column_1", "column_2", "column_3", "means")]
    tree = exit_tree.chain(columns, ["junction"], ["exit_1", "exit_2"])
    return RoutedModel(image, ExitMixture(tree, None, name="probabilities")(logits, [leaves, goes_on])[0])


@pytest.mark.parametrize("count", [1, 40])
def test_a_part_reads_any_maps_of_those_before_it_at_any_of_its_layers(count: int) -> None:
    model = reading_back()
    calibrate(model, images(40), rate=0.6)
    decisions = assert_sparse_is_masked(model, images(count))
    if count == 40:
        assert decisions["junction"].sum(axis=0).tolist() == [16, 24]


# What runs


class Counting(SparseExits):
    """Counts the calls of parts and their rows."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: Counter[Any] = Counter()
        self.calls: Counter[Any] = Counter()

    def run_part(self, part: Any, maps: list[Any]) -> Any:
        self.rows[part] += int(maps[-1].shape[0])
        self.calls[part] += 1
        return super().run_part(part, maps)


@pytest.mark.parametrize("name", TREES)
def test_each_part_runs_on_the_samples_that_come_there_and_not_for_none(name: str) -> None:
    for model in (net(name), forced(name, True), forced(name, False)):
        for count in (1, 40):
            decisions = answers(model, images(count), "masked")
            executor = Counting(model, model.get_layer("probabilities"))
            executor(tf.constant(images(count)))
            for part, reach in came(executor.tree, decisions, count).items():
                assert executor.rows[part] == reach, part.layers
                assert executor.calls[part] == (reach > 0)


def came(tree: Any, decisions: dict[str, np.ndarray], count: int) -> dict[Any, int]:
    """How many samples come to each part."""
    found = {}

    def visit(part: Any, here: int) -> None:
        found[part] = here
        for number, sink in enumerate(exit_tree.sinks(part)):
            visit(sink, here if part.junction is None else int(decisions[part.junction][:, number].sum()))

    visit(tree, count)
    return found


def test_training_runs_everything_whatever_is_set() -> None:
    model, x = net("chain"), images(7)
    model.execution = "sparse"
    sparse = np.asarray(model(x, training=True))
    model.execution = "masked"
    np.testing.assert_allclose(sparse, np.asarray(model(x, training=True)), rtol=1e-5)


def test_predict_leaves_early_and_follows_the_setting() -> None:
    model, x = net("branches"), images(40)
    expected = answers(model, x, "masked")["probabilities"]
    for execution in ("auto", "sparse", "masked"):
        model.execution = execution
        # Five whole batches, and a smaller one.
        assert relative(model.predict(x, batch_size=7, verbose=0), expected) <= 1e-5


def test_weights_that_change_are_seen() -> None:
    model, x = forced("chain", leave=True), images(7)
    model.execution = "sparse"
    before = np.asarray(model(x))
    model.get_layer("exit_1").bias.assign_add(np.ones(CLASSES, "float32"))
    np.testing.assert_allclose(np.asarray(model(x)), before + 1, rtol=1e-4, atol=1e-5)


@pytest.fixture
def _mixed_bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("_mixed_bfloat16")
def test_half_precision_answers_in_single() -> None:
    model = exit_model(CHAIN)
    masked, sparse = (answers(model, images(7), execution) for execution in ("masked", "sparse"))
    assert masked["probabilities"].dtype == sparse["probabilities"].dtype == np.float32
    np.testing.assert_allclose(sparse["probabilities"], masked["probabilities"], atol=0.02)
    np.testing.assert_allclose(sparse["probabilities"].sum(axis=1), 1, rtol=1e-5)


# Exports


@pytest.mark.parametrize(
    ("name", "freeze"),
    [
        ("chain", True),
        # The net that is told of costs is exported below with its variables; graphs of branches are above.
        *(pytest.param(*pair, marks=pytest.mark.heavy) for pair in (("chain", False), ("branches", True))),
        pytest.param("branches", False, marks=pytest.mark.heavy),
    ],
)
def test_a_saved_model_leaves_early(name: str, freeze: bool, tmp_path: Path) -> None:
    model, x = net(name), images(40)
    model.execution = "auto"
    export(model, tmp_path / "saved", freeze=freeze)
    model.execution = "masked"
    expected, costs = {key: np.asarray(each) for key, each in model.decide(x).items()}, model.cost(x)
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    for count in (0, 1, 7, 40):
        given = tf.constant(x[:count])
        answer = signatures["serving_default"](images=given)["probabilities"]
        np.testing.assert_allclose(answer, expected["probabilities"][:count], rtol=1e-4, atol=1e-5)
        routes = dict(signatures["routes"](images=given))
        np.testing.assert_array_equal(routes.pop("macs"), costs[:count])
        assert set(routes) == set(model.decision_names)
        for key, each in routes.items():
            np.testing.assert_array_equal(each, expected[key][:count], err_msg=key)
    conditions = set(operations(signatures["serving_default"]))
    assert {"If", "StatelessIf"} & conditions, conditions
    # Those of the routes leave early too.
    assert {"If", "StatelessIf"} & set(operations(signatures["routes"]))


def test_a_saved_model_is_told_of_costs(tmp_path: Path) -> None:
    model = told_net("chain")
    model.execution = "auto"
    export(model, tmp_path / "saved")
    model.execution = "masked"
    expected = {key: np.asarray(each) for key, each in model.decide(told(40)).items()}
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    for count in (1, 40):
        given = {"images": tf.constant(told(count)["image"]), "cost": tf.constant(told(count)["cost"][:, 0])}
        answer = signatures["serving_default"](**given)["probabilities"]
        np.testing.assert_allclose(answer, expected["probabilities"][:count], rtol=1e-4, atol=1e-5)
        routes = signatures["routes"](**given)
        for key in model.decision_names:
            np.testing.assert_array_equal(routes[key], expected[key][:count], err_msg=key)
