"""The actor's loss against Eq. 3, 4 and 10 in NumPy: each term, and what reaches the scores."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import exit_reference as reference
from tests.objectives.exit_batches import (
    BATCH,
    CHAIN,
    CLASSES,
    TREE,
    TREES,
    Batch,
    assert_close,
    batch,
    macs,
    score_gradients,
    slopes,
)
from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives import Actor

TERMS = ("classification_loss", "computation_loss", "kernel_loss", "decisiveness_loss")
WEIGHTS: dict[str, Any] = {"computation_cost": 0.002, "kernel_decay": 0.03, "decisiveness_cost": 0.07}
STATIC = Stage(("column_1", "column_2"), None, (Exit("exit"),))


def actor(tree: Any, **arguments: Any) -> Actor:
    return Actor(tree, macs(tree), **{**WEIGHTS, **arguments})


def equations(
    data: Batch,
    scores: dict[str, np.ndarray],
    policy: dict[str, np.ndarray] | None = None,
    per_mac: Any = WEIGHTS["computation_cost"],
    temperature: float = 1.0,
) -> dict[str, float]:
    """The terms for these scores; those of Eq. 10 with the reach of `policy`, which other scores may give."""
    reach = reference.reach(data.tree, scores, temperature)
    given = reach if policy is None else policy
    errors = data.by_exit(reference.entropies(data.targets, data.logits))
    costs = macs(data.tree)
    return {
        "classification_loss": sum((reach[leaf] * each).mean() for leaf, each in errors.items()),
        "computation_loss": sum((per_mac * reach[layer] * count).mean() for layer, count in costs.items()),
        "kernel_loss": WEIGHTS["kernel_decay"]
        * sum(given[layer].mean() * square for layer, square in data.squares.items()),
        "decisiveness_loss": WEIGHTS["decisiveness_cost"]
        * sum((given[name] * (each**2).sum(axis=1)).mean() for name, each in scores.items()),
    }


def values(objective: Actor, data: Batch, labels: Any = None, weights: Any = None) -> dict[str, float]:
    found = objective(data.labels if labels is None else labels, data.outputs, weights)
    return {name: float(each) for name, each in found.items()}


@pytest.mark.parametrize("temperature", [1.0, 0.3])
@pytest.mark.parametrize("regularize", [False, True])
@pytest.mark.parametrize("name", TREES)
def test_terms_are_those_of_the_equations(name: str, regularize: bool, temperature: float) -> None:
    data = batch(TREES[name])
    objective = actor(data.tree, regularize_policy=regularize, temperature=temperature)
    found = values(objective, data)
    assert tuple(found) == TERMS == objective.names
    assert found == pytest.approx(equations(data, data.scores, temperature=temperature), rel=1e-4)
    assert min(found.values()) > 1e-3


# Gradients


@pytest.mark.parametrize("name", TREES)
def test_error_and_computation_train_the_scores_through_the_reach(name: str) -> None:
    data = batch(TREES[name])

    def loss(scores: dict[str, np.ndarray]) -> float:
        """Returns the terms of Eq. 3, without c_mod."""
        terms = equations(data, scores)
        return terms["classification_loss"] + terms["computation_loss"]

    found = score_gradients(actor(data.tree), data, ["classification_loss", "computation_loss"])
    assert_close(found, slopes(loss, data.scores))
    assert all(np.abs(each).max() > 1e-3 for each in found.values())


@pytest.mark.parametrize("name", TREES)
def test_kernels_do_not_train_the_scores_unless_the_policy_is_regularised(name: str) -> None:
    data = batch(TREES[name])
    found = score_gradients(actor(data.tree), data, ["kernel_loss"])
    assert all((each == 0).all() for each in found.values())
    found = score_gradients(actor(data.tree, regularize_policy=True), data, ["kernel_loss"])
    assert_close(found, slopes(lambda scores: equations(data, scores)["kernel_loss"], data.scores))
    assert all(np.abs(each).max() > 1e-4 for each in found.values())


@pytest.mark.parametrize("name", TREES)
def test_decisiveness_trains_the_scores_and_through_the_reach_only_if_the_policy_is_regularised(name: str) -> None:
    data = batch(TREES[name])
    reach = reference.reach(data.tree, data.scores, 1.0)
    # Of w p ||s||^2 with p given: 2 w p s, a mean over the batch.
    weight = WEIGHTS["decisiveness_cost"]
    expected = {key: 2 * weight * reach[key][:, None] * each / BATCH for key, each in data.scores.items()}
    assert_close(score_gradients(actor(data.tree), data, ["decisiveness_loss"]), expected)
    found = score_gradients(actor(data.tree, regularize_policy=True), data, ["decisiveness_loss"])
    regularised = slopes(lambda scores: equations(data, scores)["decisiveness_loss"], data.scores)
    assert_close(found, regularised)
    # The scores before decide how often the later junction's count.
    first = "junction_1" if name == "chain" else "three"
    assert np.abs(regularised[first] - expected[first]).max() > 1e-4


def test_all_terms_together_train_the_scores() -> None:
    data = batch(TREE)
    policy = reference.reach(TREE, data.scores, 1.0)

    def loss(scores: dict[str, np.ndarray]) -> float:
        return sum(equations(data, scores, policy).values())

    assert_close(score_gradients(actor(TREE), data), slopes(loss, data.scores))


# Labels, weights, costs


@pytest.mark.parametrize("shape", ["indices", "column", "distributions", "bytes"])
def test_labels_are_indices_or_distributions(shape: str) -> None:
    data = batch(CHAIN)
    given = {
        "indices": data.labels,
        "column": data.labels[:, None],
        "distributions": data.targets.astype("float32"),
        "bytes": data.labels.astype("uint8"),
    }[shape]
    assert values(actor(CHAIN), data, given) == pytest.approx(equations(data, data.scores), rel=1e-4)


def test_labels_that_are_mixed() -> None:
    data = batch(CHAIN)
    mixed = (0.7 * data.targets + 0.3 * data.targets[::-1]).astype("float32")
    reach = reference.reach(CHAIN, data.scores, 1.0)
    errors = data.by_exit(reference.entropies(mixed, data.logits))
    expected = sum((reach[leaf] * each).mean() for leaf, each in errors.items())
    assert values(actor(CHAIN), data, mixed)["classification_loss"] == pytest.approx(expected, rel=1e-4)


def test_sample_weights_weigh_errors() -> None:
    data, weights = batch(CHAIN), np.array([0.0, 2.0, 1.0, 0.5, 3.0, 0.0], "float32")
    reach = reference.reach(CHAIN, data.scores, 1.0)
    errors = data.by_exit(reference.entropies(data.targets, data.logits))
    expected = equations(data, data.scores)
    expected["classification_loss"] = sum((weights * reach[leaf] * each).mean() for leaf, each in errors.items())
    assert values(actor(CHAIN), data, weights=weights) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", TREES)
def test_a_cost_of_its_own_for_each_sample(name: str) -> None:
    data = batch(TREES[name])
    objective = actor(data.tree, computation_cost=[0.0, 0.001, 0.004])
    assert objective.drawn_inputs == {"cost": (0.0, 0.001, 0.004)}
    assert len(set(data.cost[:, 0])) > 1
    expected = equations(data, data.scores, per_mac=data.cost[:, 0])
    assert values(objective, data) == pytest.approx(expected, rel=1e-4)
    # Nothing is drawn where one cost is for all.
    assert actor(data.tree).drawn_inputs == {}


def test_at_evaluation_one_way_counts() -> None:
    data = batch(TREE)
    reach = reference.one_hot_reach(TREE, data.scores)
    found = values(actor(TREE).at_evaluation(), data)
    errors = data.by_exit(reference.entropies(data.targets, data.logits))
    assert found["classification_loss"] == pytest.approx(
        sum((reach[leaf] * each).mean() for leaf, each in errors.items()), rel=1e-4
    )
    executed = sum(reach[layer] * count for layer, count in macs(TREE).items())
    assert found["computation_loss"] == pytest.approx(WEIGHTS["computation_cost"] * executed.mean(), rel=1e-4)


def test_an_answer_that_is_surely_wrong_costs_no_more_than_the_floor_allows() -> None:
    data = batch(CHAIN)
    far = data._replace(logits=1e4 * (1 - np.repeat(data.targets[:, None], 3, axis=1)))
    found = values(actor(CHAIN), far)["classification_loss"]
    assert found == pytest.approx(-np.log(1e-6 / CLASSES), rel=1e-3)


def test_a_static_network_learns_to_classify_with_small_kernels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(BATCH, CLASSES)), np.arange(BATCH) % CLASSES
    squares = {"column_1": 2.0, "column_2": 3.0, "exit": 5.0}
    outputs = {f"{name}_squares": keras.ops.convert_to_tensor(each) for name, each in squares.items()}
    outputs["logits"] = keras.ops.convert_to_tensor(logits.astype("float32"))
    objective = Actor(STATIC, {"column_1": 5, "column_2": 3, "exit": 2}, kernel_decay=0.1)
    for each in (objective, objective.at_evaluation()):
        terms = {name: float(term) for name, term in each(labels, outputs).items()}
        expected = reference.entropies(np.eye(CLASSES)[labels], logits[:, None]).mean()
        assert terms == pytest.approx(dict(zip(TERMS, (expected, 0, 1.0, 0), strict=True)), rel=1e-5)


# Configuration


def test_it_comes_back_from_its_configuration() -> None:
    arguments = {**WEIGHTS, "talr": False, "temperature": 0.5, "temperature_half_life": None, "regularize_policy": True}
    for cost in (0.002, [0.0, 0.1]):
        objective = actor(TREE, **{**arguments, "computation_cost": cost})
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
        assert type(again) is Actor and again.tree == TREE and again.macs == macs(TREE)
        assert again.get_config() == objective.get_config()
        data = batch(TREE)
        assert values(again, data) == values(objective, data)


def test_other_arguments_change_a_copy() -> None:
    objective = actor(CHAIN)
    other = objective.changed(kernel_decay=0.5)
    assert (objective.kernel_decay, other.kernel_decay) == (0.03, 0.5)
    assert {**other.get_config(), "kernel_decay": 0.03} == objective.get_config()


def test_a_tree_is_taken_as_a_configuration_too() -> None:
    assert Actor(exit_tree.to_config(TREE), macs(TREE)).tree == TREE


def test_the_defaults_are_those_of_the_paper() -> None:
    config = Actor(CHAIN, macs(CHAIN)).get_config()
    expected = {"decisiveness_cost": 0.01, "kernel_decay": 1e-4, "temperature": 1.0, "temperature_half_life": 10_000}
    expected |= {"talr": True, "regularize_policy": False}
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"computation_cost": -1e-9}, "`computation_cost` must be a number of at least zero. Received: .*-1e-09"),
        ({"computation_cost": [0, -1.0]}, "`computation_cost` must be a number of at least zero. Received: .*-1.0"),
        ({"computation_cost": []}, "`computation_cost` must hold at least one value. Received: none"),
        ({"computation_cost": "low"}, "`computation_cost` must be a number of at least zero. Received: .*'low'"),
        ({"kernel_decay": -1.0}, "`kernel_decay` must be a number of at least zero. Received: kernel_decay=-1.0"),
        ({"temperature": 0}, "`temperature` must be a positive number. Received: temperature=0"),
        ({"temperature_half_life": 0}, "`temperature_half_life` must be a positive number. Received: .*life=0"),
        ({"decisiveness_cost": -0.1}, "`decisiveness_cost` must be a number of at least zero. Received: .*-0.1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Actor(CHAIN, macs(CHAIN), **arguments)
