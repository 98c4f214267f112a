"""How surely samples reach layers, how gradients make up for it, and what that costs: against NumPy."""

import json
import math
from typing import Any

import keras
import numpy as np
import pytest

from tests import exit_reference as reference
from tests.objectives.exit_batches import BATCH, CHAIN, TREE, TREES, assert_close, batch, macs
from tests.snippets import run_snippet
from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives import Actor, Critic
from tf_routing.objectives.reach import hard_reach, soft_reach

STATIC = Stage(("column_1", "column_2"), None, (Exit("exit"),))


def arrays(tensors: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(each) for name, each in tensors.items()}


def tensors(values: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: keras.ops.convert_to_tensor(each.astype("float32")) for name, each in values.items()}


def total(tree: Any, reach: dict[str, np.ndarray]) -> np.ndarray:
    return sum(reach[leaf] for leaf in reference.leaves(tree))


# Reach


@pytest.mark.parametrize("temperature", [1.0, 0.1])
@pytest.mark.parametrize("name", TREES)
def test_soft_reach_is_that_of_the_equation(name: str, temperature: float) -> None:
    data = batch(TREES[name])
    found = arrays(soft_reach(data.tree, tensors(data.scores), temperature))
    assert_close(found, reference.reach(data.tree, data.scores, temperature), atol=1e-7)
    np.testing.assert_allclose(total(data.tree, found), np.ones(BATCH), rtol=1e-6)


def test_the_floor_keeps_every_exit_within_reach() -> None:
    scores = {"three": np.array([[1000.0, 0.0, 0.0]]), "two": np.array([[0.0, 1000.0]])}
    found = arrays(soft_reach(TREE, tensors(scores), 1.0))
    leaves = np.array([found[leaf][0] for leaf in reference.leaves(TREE)])
    # A quarter of the floor each.
    np.testing.assert_allclose(leaves[1:], 2.5e-7, rtol=1e-4)
    assert found["left"][0] == pytest.approx(5e-7, rel=1e-4)
    np.testing.assert_allclose(leaves.sum(), 1, rtol=1e-6)


def test_a_larger_floor_by_hand() -> None:
    found = arrays(soft_reach(CHAIN, {name: keras.ops.zeros((1, 2)) for name in ("junction_1", "junction_2")}, 1, 0.3))
    # 0.7 of all is divided by the scores, and 0.1 is kept for each of three exits.
    assert found["exit_1"][0] == pytest.approx(0.7 / 2 + 0.1)
    assert found["column_2"][0] == pytest.approx(0.7 / 2 + 0.2)
    assert found["exit_2"][0] == found["exit_3"][0] == pytest.approx(0.7 / 4 + 0.1)


@pytest.mark.parametrize("name", TREES)
def test_equal_scores_divide_evenly_at_any_temperature(name: str) -> None:
    data = batch(TREES[name])
    zeros = {junction: np.zeros_like(each) for junction, each in data.scores.items()}
    for temperature in (1.0, 0.01):
        found = arrays(soft_reach(data.tree, tensors(zeros), temperature))
        expected = reference.reach(data.tree, zeros, temperature, floor=0)
        assert_close(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", TREES)
def test_hard_reach_is_that_of_the_largest_scores(name: str) -> None:
    data = batch(TREES[name])
    found = arrays(hard_reach(data.tree, data.outputs))
    assert_close(found, reference.one_hot_reach(data.tree, data.scores), rtol=0, atol=0)
    leaves = np.stack([found[leaf] for leaf in reference.leaves(data.tree)])
    assert set(np.unique(leaves)) == {0, 1}
    np.testing.assert_array_equal(leaves.sum(axis=0), np.ones(BATCH))
    # Each layer on the way to an exit is run through, and no other.
    assert (found[data.tree.columns[0]] == 1).all()


def test_without_junctions_everything_is_certain() -> None:
    for found in (soft_reach(STATIC, {}, 1.0), hard_reach(STATIC, {})):
        assert arrays(found) == {"column_1": 1.0, "column_2": 1.0, "exit": 1.0}


def test_half_precision_scores_are_computed_in_single() -> None:
    scores = {name: keras.ops.cast(each, "bfloat16") for name, each in tensors(batch(CHAIN).scores).items()}
    found = soft_reach(CHAIN, scores, 1.0)
    assert {keras.backend.standardize_dtype(each.dtype) for each in found.values()} == {"float32"}
    np.testing.assert_allclose(total(CHAIN, arrays(found)), np.ones(BATCH), rtol=1e-6)


# Temperature


def test_the_temperature_halves() -> None:
    objective = Actor(CHAIN, macs(CHAIN), temperature=0.8, temperature_half_life=2)
    assert objective.current_temperature() == 0.8
    objective.build({})
    expected = [0.8, 0.8 / math.sqrt(2), 0.4, 0.4 / math.sqrt(2), 0.2]
    for value in expected:
        assert float(objective.current_temperature()) == pytest.approx(value, rel=1e-5)
        objective.end_step()
    assert [int(variable) for variable in objective.state] == [5]


def test_a_temperature_that_does_not_halve_stays() -> None:
    objective = Actor(CHAIN, macs(CHAIN), temperature=0.8, temperature_half_life=None)
    objective.build({})
    for _ in range(3):
        objective.end_step()
    assert objective.current_temperature() == 0.8


def test_building_again_keeps_the_count_of_steps() -> None:
    objective = Actor(CHAIN, macs(CHAIN))
    objective.build({})
    objective.end_step()
    (steps,) = objective.state
    objective.build({})
    assert objective.state[0] is steps and int(steps) == 1


def test_the_reach_of_training_follows_the_temperature() -> None:
    data, objective = batch(CHAIN), Actor(CHAIN, macs(CHAIN), temperature=1.0, temperature_half_life=1)
    objective.build({})
    for temperature in (1.0, 0.5, 0.25):
        expected = reference.reach(CHAIN, data.scores, temperature)
        assert_close(arrays(objective.reach(data.outputs)), expected, atol=1e-6)
        objective.end_step()


# Evaluation


@pytest.mark.parametrize("kind", [Actor, Critic])
@pytest.mark.parametrize("name", TREES)
def test_evaluation_takes_one_way_whatever_the_temperature(kind: Any, name: str) -> None:
    data = batch(TREES[name])
    objective = kind(data.tree, macs(data.tree))
    objective.build({})
    hard = objective.at_evaluation()
    assert type(hard) is kind and hard.get_config() == objective.get_config()
    assert hard.state[0] is objective.state[0]
    assert_close(arrays(hard.reach(data.outputs)), reference.one_hot_reach(data.tree, data.scores), rtol=0, atol=0)
    # The objective itself goes on with soft ones.
    assert 0 < float(objective.reach(data.outputs)["exit_1" if name == "chain" else "here"][0]) < 1


@pytest.mark.parametrize("name", TREES)
def test_measures_are_mean_costs_and_shares(name: str) -> None:
    data = batch(TREES[name])
    objective = Actor(data.tree, macs(data.tree))
    leaves = reference.leaves(data.tree)
    names = ["executed_macs", *(f"{leaf}_share" for leaf in leaves)]
    cases = {
        objective: reference.reach(data.tree, data.scores, 1.0),
        objective.at_evaluation(): reference.one_hot_reach(data.tree, data.scores),
    }
    for each, reach in cases.items():
        executed = sum(reach[layer] * count for layer, count in macs(data.tree).items())
        expected = [executed.mean(), *(reach[leaf].mean() for leaf in leaves)]
        measured = each.measures(data.outputs)
        assert list(measured) == names == list(each.measured_names)
        np.testing.assert_allclose([float(value) for value in measured.values()], expected, rtol=1e-4, atol=1e-6)


def test_a_static_network_measures_its_cost_alone() -> None:
    objective = Actor(STATIC, {"column_1": 5, "column_2": 3, "exit": 2})
    assert objective.measured_names == ("executed_macs",)
    assert {name: float(each) for name, each in objective.measures({}).items()} == {"executed_macs": 10}


# Gradient factors


def test_a_layer_that_is_reached_seldom_takes_larger_steps() -> None:
    # Two samples that leave at once with 0.8 and 0.4: the other exit is reached with 0.2 and 0.6.
    tree = Stage(("column_1",), "junction_1", (Exit("exit_1"), Exit("exit_2")))
    scores = np.log([[0.8, 0.2], [0.4, 0.6]]).astype("float32")
    objective = Actor(tree, macs(tree))
    factors = arrays(objective.gradient_factors({"junction_1_scores": keras.ops.convert_to_tensor(scores)}))
    assert factors["exit_1"] == pytest.approx(1 / math.sqrt((0.64 + 0.16) / 2), rel=1e-4)
    assert factors["exit_2"] == pytest.approx(1 / math.sqrt((0.04 + 0.36) / 2), rel=1e-4)
    # What every sample comes through.
    assert factors["column_1"] == factors["junction_1"] == 1


@pytest.mark.parametrize("kind", [Actor, Critic])
@pytest.mark.parametrize("name", TREES)
def test_factors_are_one_over_the_root_mean_square_of_the_reach(kind: Any, name: str) -> None:
    data = batch(TREES[name])
    objective = kind(data.tree, macs(data.tree), temperature=0.5)
    reach = reference.reach(data.tree, data.scores, 0.5)
    expected = {layer: 1 / np.sqrt((each**2).mean()) for layer, each in reach.items()}
    assert_close(arrays(objective.gradient_factors(data.outputs)), expected)


def test_there_are_none_without_talr_or_junctions() -> None:
    data = batch(CHAIN)
    assert Actor(CHAIN, macs(CHAIN), talr=False).gradient_factors(data.outputs) == {}
    assert Actor(STATIC, macs(STATIC)).gradient_factors({}) == {}


_REPLICAS = """
import json

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.objectives.exit_batches import CHAIN, batch, macs
from tf_routing.objectives import Actor

objective, outputs = Actor(CHAIN, macs(CHAIN)), batch(CHAIN).outputs
scores = {name: np.asarray(each) for name, each in outputs.items() if name.endswith("_scores")}
two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())


def half(name):
    return two.experimental_distribute_values_from_function(
        lambda context: tf.constant(scores[name][context.replica_id_in_sync_group :: 2])
    )


given = {name: half(name) for name in scores}
results = tf.function(lambda: two.run(objective.gradient_factors, (given,)))()
replicas = [{name: float(two.experimental_local_results(each)[n]) for name, each in results.items()} for n in (0, 1)]
whole = {name: float(each) for name, each in objective.gradient_factors(outputs).items()}
print(json.dumps({"replicas": replicas, "whole": whole}))
"""


def test_two_replicas_take_the_mean_over_the_whole_batch() -> None:
    results = json.loads(run_snippet(_REPLICAS).splitlines()[-1])
    assert results["whole"]["exit_3"] > 1.1
    for replica in results["replicas"]:
        assert replica == pytest.approx(results["whole"], rel=1e-5)
