"""A chain forced to an exit is the static net of that depth, costs are those of routes, and trees are what one asks."""

import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import draw_scores
from tests.exit_net import BRANCHES, CHAIN, CLASSES, SHAPE, exit_model, images, vary
from tf_routing import cost, zoo
from tf_routing.exit_tree import Exit, Stage
from tf_routing.layers import Junction
from tf_routing.models import RoutedModel
from tf_routing.zoo.builders import exit_trees
from tf_routing.zoo.builders.parts.exit_learning import COSTS

# By hand, at full width and ten classes.
COLUMNS = [1_361_664, 3_907_584, 2_285_568, 3_833_856, 2_064_384, 3_538_944, 1_179_648, 2_359_296]
EXITS = [2_560, 2_560, 5_120, 5_120, 10_240, 10_240, 20_480, 20_480]
ROUTERS = [4_384, 4_384, 8_480, 8_480, 16_672, 16_672, 33_056]
FAR = 1e4


def photographs(count: int = 3) -> np.ndarray:
    return np.random.default_rng(9).uniform(size=(count, 32, 32, 3)).astype("float32")


def is_junction(layer: Any) -> bool:
    return isinstance(layer, Junction)


@cache
def chain() -> RoutedModel:
    """The whole chain, its weights drawn, answering with logits."""
    keras.utils.set_random_seed(0)
    model = zoo.get("decide_chain8", classifier_activation=None)
    vary(model)
    draw_scores(model)
    return model


def forced(level: int) -> RoutedModel:
    """The chain with junctions that let every image go on to this exit, whatever they read."""
    model = chain()
    for junction in filter(is_junction, model.layers):
        leaves = junction.name == f"junction_{level}"
        junction.scores_layer.bias.assign([FAR, 0.0] if leaves else [0.0, FAR])
    return model


def copied(level: int) -> RoutedModel:
    """The static network of a depth with the chain's weights."""
    model = zoo.get(f"decide_static{level}", classifier_activation=None)
    for layer in model.layers:
        donors = {weight.path: weight for weight in chain().get_layer(layer.name).weights} if layer.weights else {}
        for weight in layer.weights:
            weight.assign(donors[weight.path])
    return model


# The first, the last and one between them.
@pytest.mark.parametrize(
    "level", [level if level in (1, 4, 8) else pytest.param(level, marks=pytest.mark.heavy) for level in range(1, 9)]
)
def test_a_static_network_is_a_chain_that_is_left_behind_its_last_column(level: int) -> None:
    model, static, x = forced(level), copied(level), photographs()
    expected = np.asarray(static(x))
    assert np.ptp(expected) > 1e-2
    for setting in ("masked", "sparse"):
        model.execution = setting
        decided = {name: np.asarray(each) for name, each in model.decide(x).items()}
        np.testing.assert_allclose(decided["probabilities"], expected, rtol=1e-4, atol=1e-5)
        assert set(cost.executed_macs(model, decided, len(x))) == {static.static_cost + sum(ROUTERS[:level])}
    assert static.static_cost == sum(COLUMNS[:level]) + EXITS[level - 1]


def test_the_deepest_exit_costs_the_routers_more() -> None:
    assert sum(ROUTERS) == 92_128
    assert chain().static_cost == sum(COLUMNS) + EXITS[-1] + 92_128
    everything = sum(row.macs for row in cost.layer_costs(chain()))
    assert everything == 20_699_872


# Eight branches of what the chain has, and slow to build.
@pytest.mark.heavy
def test_the_whole_tree() -> None:
    tree = zoo.get("decide_tree")
    assert sum(row.macs for row in cost.layer_costs(tree)) == 123_334_992
    # One, two and four junctions of three ways, then eight branches of four junctions each.
    assert sorted(layer.sinks for layer in filter(is_junction, tree.layers)) == [2] * 32 + [3] * 7


def test_an_untrained_network_answers_at_its_first_exit() -> None:
    model, x = exit_model(BRANCHES, drawn=False), images(5)
    first = keras.Model(model.input, model.get_layer("exit_1").output)
    np.testing.assert_allclose(np.asarray(model(x)), keras.ops.softmax(first(x)), rtol=1e-5)
    assert model.routes(x)["junction_1"].tolist() == [[1, 0, 0]] * 5
    assert model.routes(x)["junction_2_1"].tolist() == [[0, 0]] * 5


def test_in_training_answers_are_means_over_exits() -> None:
    model, x = exit_model(), images(6)
    outputs = {name: np.asarray(each) for name, each in model(x, training=True, return_outputs=True).items()}
    first, second = outputs["junction_1"], outputs["junction_2"]
    np.testing.assert_allclose(second.sum(axis=1), first[:, 1], rtol=1e-5)
    shares = np.stack([first[:, 0], second[:, 0], second[:, 1]], axis=1)
    assert (shares > 0).all() and (shares < 1).all()
    answers = np.asarray(keras.ops.softmax(outputs["probabilities_exit_logits"]))
    np.testing.assert_allclose(outputs["probabilities"], np.einsum("be,bec->bc", shares, answers), rtol=1e-4)


# Trees


def test_layers_are_named_by_level_and_number() -> None:
    names = [layer.name for layer in exit_model(BRANCHES).layers if layer.weights]
    columns = ["column_1", "column_2_1", "column_2_2", "column_3_1", "column_3_2"]
    exits = ["exit_1", "exit_2_1", "exit_3_1", "exit_3_2"]
    assert sorted(names) == sorted([*columns, *exits, "junction_1", "junction_2_1"])
    assert exit_model(BRANCHES).decision_names == ["junction_1", "junction_2_1"]


def test_layers_of_a_tree_are_named_before_they_are_built() -> None:
    last, end = Stage(("column_3_1",), None, (Exit("exit_3_1"),)), (Exit("exit_3_2"),)
    second = Stage(("column_2_1",), "junction_2_1", (Exit("exit_2_1"), last))
    shape = Stage(("column_1",), "junction_1", (Exit("exit_1"), second, Stage(("column_2_2", "column_3_2"), None, end)))
    named = exit_trees.name_layers(BRANCHES)
    assert named.shape == shape == exit_model(BRANCHES).get_layer("probabilities").tree
    channels = {"column_1": (4, 6), "column_2_1": (6,), "column_3_1": (8,), "column_2_2": (6, 6), "column_3_2": (8,)}
    assert named.channels == channels
    assert exit_trees.name_layers(exit_trees.static(1)).shape == Stage(("column_1",), None, (Exit("exit_1"),))


def test_a_tree_of_ones_own_has_the_columns_that_it_describes() -> None:
    model = exit_model(BRANCHES)
    filters = {name: model.get_layer(name).filters for name in ("column_1", "column_2_1", "column_2_2", "column_3_2")}
    assert filters == {"column_1": [4, 6], "column_2_1": [6], "column_2_2": [6, 6], "column_3_2": [8]}
    assert [len(model.get_layer(name).normalizations) for name in filters] == [2, 1, 1, 1]
    # 8x8 and 4x4 maps; the second branch's column reads both, the first one's the coarser.
    first = 9 * (64 * 3 * 4 + 16 * (3 + 4) * 6)
    left, right = 9 * 16 * 6 * 6, 9 * (64 * 4 * 6 + 16 * (6 + 6) * 6)
    end, junctions = 9 * 16 * 6 * 8, [16 * (96 + 16 + 3), 16 * (96 + 16 + 2)]
    leave = [96 * CLASSES, 96 * CLASSES, 128 * CLASSES]
    expected = {
        "exit_1": first + junctions[0] + leave[0],
        "exit_2_1": first + left + sum(junctions) + leave[1],
        "exit_3_1": first + left + sum(junctions) + end + leave[2],
        "exit_3_2": first + right + junctions[0] + end + leave[2],
    }
    assert model.static_cost == max(expected.values())
    found = model.cost(images(40))
    assert set(found) <= set(expected.values()) and len(set(found)) > 1


def test_executed_costs_are_those_of_the_decisions() -> None:
    model, x = exit_model(BRANCHES), images(40)
    routes = model.routes(x)
    macs = {row.layer: row.macs for row in cost.layer_costs(model)}
    first, second = routes["junction_1"], routes["junction_2_1"]
    expected = macs["column_1"] + macs["junction_1"] + first[:, 0] * macs["exit_1"]
    expected += first[:, 1] * (macs["column_2_1"] + macs["junction_2_1"])
    expected += second @ [macs["exit_2_1"], macs["column_3_1"] + macs["exit_3_1"]]
    expected += first[:, 2] * sum(macs[name] for name in ("column_2_2", "column_3_2", "exit_3_2"))
    np.testing.assert_array_equal(model.cost(x), expected)
    assert model.cost(x).dtype == np.int64


def test_branches_share_no_weights() -> None:
    model = exit_model(BRANCHES)
    kernels = [np.asarray(model.get_layer(name).across[0].kernel) for name in ("column_3_1", "column_3_2")]
    assert kernels[0].shape == kernels[1].shape and np.abs(kernels[0] - kernels[1]).max() > 0.1


def test_weights_come_from_the_seed() -> None:
    first, again, other = (exit_model(CHAIN, False, seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def columns_by_level(tree: dict[str, Any]) -> list[int]:
    return list(Counter(name.split("_")[1] for name in sorted(exit_trees.name_layers(tree).channels)).values())


def test_the_zoos_trees() -> None:
    assert columns_by_level(exit_trees.branching()) == [1, 2, 4, 8, 8, 8, 8, 8]
    assert columns_by_level(exit_trees.chain()) == [1] * 8
    for tree in (exit_trees.branching(), exit_trees.chain(), *map(exit_trees.static, range(1, 9))):
        exit_trees.check(tree)


# The cost of computation, told


@cache
def told() -> RoutedModel:
    model = exit_model(dynamic_cost=True, computation_cost=[0.0, 1e-8, 6.4e-8])
    # As much as a trained network heeds it.
    for junction in filter(is_junction, model.layers):
        kernel, bias = junction.hidden_layers[0].get_weights()
        kernel[-1] *= 30
        junction.hidden_layers[0].set_weights([kernel, bias])
    return model


def test_a_network_is_told_of_one_cost_or_of_one_per_image() -> None:
    x = images(8)
    one = told().predict({"image": x, "cost": 1e-8}, verbose=0)
    for each in (np.full(8, 1e-8), np.full((8, 1), 1e-8)):
        np.testing.assert_array_equal(told().predict({"image": x, "cost": each}, verbose=0), one)
    assert told().default_objective().drawn_inputs == {"cost": (0.0, 1e-8, 6.4e-8)}
    assert exit_model(dynamic_cost=True).default_objective().drawn_inputs == {"cost": COSTS}


def test_junctions_read_ten_million_times_the_cost() -> None:
    x, costs = images(6), np.array([0.0, 1e-9, 4e-9, 1e-8, 3.2e-8, 6.4e-8], "float32")
    outputs = told()({"image": x, "cost": costs[:, None]}, training=False, return_outputs=True)
    body = keras.Model(told().input["image"], told().get_layer("column_1").output[-1])
    scores = told().get_layer("junction_1")(body(x), cost=1e7 * costs[:, None])[1]
    np.testing.assert_allclose(np.asarray(outputs["junction_1_scores"]), np.asarray(scores), rtol=1e-4, atol=1e-5)
    assert told().get_layer("junction_1").hidden_layers[0].kernel.shape[0] == 4 * 4 * 6 + 1
    np.testing.assert_array_equal(np.asarray(outputs["cost"])[:, 0], costs)


def test_another_cost_makes_other_decisions() -> None:
    x = images(24)
    routes = [told().routes({"image": x, "cost": value})["junction_1"] for value in (0.0, 6.4e-8)]
    assert (routes[0] != routes[1]).any()
    # Each image by its own.
    mixed = np.where(np.arange(24) % 2, 6.4e-8, 0.0)
    own = told().routes({"image": x, "cost": mixed})["junction_1"]
    np.testing.assert_array_equal(own, np.where(np.arange(24)[:, None] % 2, routes[1], routes[0]))
    assert told().cost({"image": x, "cost": 6.4e-8}).shape == (24,)


def test_being_told_costs_a_unit_of_each_junction() -> None:
    told_of = zoo.get("decide_chain8", dynamic_cost=True)
    assert told_of.static_cost == chain().static_cost + 7 * 16 == 20_643_664
    assert told_of.count_params() == chain().count_params() + 7 * 16


# Features


@pytest.mark.parametrize("tree", [CHAIN, BRANCHES], ids=["chain", "branches"])
def test_features_are_the_coarsest_maps_of_all_columns_that_can_be_left(tree: dict[str, Any]) -> None:
    whole = exit_model(tree)
    model = exit_model(tree, include_top=False)
    exits = [layer.name for layer in whole.layers if layer.name.startswith("exit") and layer.weights]
    columns = [layer.name for layer in model.layers if layer.weights]
    assert not [name for name in columns if not name.startswith("column")] and model.decision_names == []
    for name in columns:
        model.get_layer(name).set_weights(whole.get_layer(name).get_weights())
    reader = keras.Model(whole.input, [whole.get_layer(f"{name}_features").output for name in exits])
    x = images(3)
    expected = [np.asarray(each).reshape(3, 4, 4, -1) for each in reader(x)]
    found = np.asarray(model(x, training=False))
    assert model.output_shape == (None, 4, 4, sum(each.shape[-1] for each in expected))
    # In the order in which a walk through the tree meets them.
    np.testing.assert_allclose(found, np.concatenate(expected, axis=-1), rtol=1e-5, atol=1e-6)


def test_features_are_pooled() -> None:
    maps, means = (exit_model(include_top=False, pooling=pooling) for pooling in (None, "avg"))
    means.set_weights(maps.get_weights())
    x = images(3)
    np.testing.assert_allclose(np.asarray(means(x)), np.asarray(maps(x)).mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)
    static = zoo.get("decide_static3", include_top=False, pooling="max", width_multiplier=0.25)
    assert static.output_shape == (None, 8)


def test_a_body_is_kept_under_fresh_exits_for_other_classes(tmp_path: Path) -> None:
    model = exit_model()
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="freshly initialised, for 7 classes: exit_1, exit_2, exit_3"):
        loaded = zoo.get(
            "decide_chain8", tree=CHAIN, input_shape=SHAPE, classes=7, weights=str(tmp_path / "model.keras")
        )
    assert loaded.output_shape == (None, 7)
    for name in ("column_1", "column_3", "junction_1", "junction_2"):
        for own, saved in zip(loaded.get_layer(name).weights, model.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(np.asarray(own), np.asarray(saved))


def test_exits_start_with_deviations_by_their_number_of_inputs() -> None:
    for level, channels in ((1, 16), (8, 128)):
        kernel = np.asarray(zoo.get(f"decide_static{level}", classes=50).get_layer(f"exit_{level}").kernel)
        assert kernel.shape == (16 * channels, 50)
        assert kernel.std() == pytest.approx(1 / math.sqrt(16 * channels), rel=0.02)
