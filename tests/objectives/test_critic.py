"""The critics' loss against Eq. 5-8 in NumPy: what scores are to predict, and that they learn from nothing else."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import exit_reference as reference
from tests.objectives.exit_batches import (
    BATCH,
    CHAIN,
    TREE,
    TREES,
    Batch,
    assert_close,
    batch,
    macs,
    score_gradients,
)
from tf_routing.exit_tree import Exit, Stage
from tf_routing.objectives import Critic

TERMS = ("classification_loss", "regression_loss", "kernel_loss")
WEIGHTS: dict[str, Any] = {"computation_cost": 0.002, "kernel_decay": 0.03, "regression_weight": 0.5}
KINDS = [(False, "cross_entropy"), (True, "cross_entropy"), (False, "classification"), (True, "classification")]


def critic(tree: Any, **arguments: Any) -> Critic:
    return Critic(tree, macs(tree), **{**WEIGHTS, "temperature": 1.0, **arguments})


def targets(data: Batch, optimistic: bool, error: str, per_mac: Any = WEIGHTS["computation_cost"]) -> dict:
    """What following each sink costs, the negative of u."""
    errors = {"cross_entropy": reference.entropies, "classification": reference.mistakes}[error]
    by_exit = data.by_exit(errors(data.targets, data.logits))
    return reference.costs(data.tree, by_exit, per_mac, macs(data.tree), None if optimistic else data.scores)


def equations(data: Batch, costs: dict[str, np.ndarray], temperature: float = 1.0) -> dict[str, float]:
    reach = reference.reach(data.tree, data.scores, temperature)
    errors = data.by_exit(reference.entropies(data.targets, data.logits))
    regression = sum(
        (reach[name] * ((each + costs[name]) ** 2).sum(axis=1)).mean() for name, each in data.scores.items()
    )
    return {
        "classification_loss": sum((reach[leaf] * each).mean() for leaf, each in errors.items()),
        "regression_loss": WEIGHTS["regression_weight"] * regression,
        "kernel_loss": WEIGHTS["kernel_decay"] * sum(reach[key].mean() * each for key, each in data.squares.items()),
    }


def values(objective: Critic, data: Batch) -> dict[str, float]:
    return {name: float(each) for name, each in objective(data.labels, data.outputs).items()}


def found_costs(objective: Critic, data: Batch) -> dict[str, np.ndarray]:
    outputs = data.outputs
    entropies, wrong = objective.errors(data.labels, outputs)
    errors = entropies if objective.error == "cross_entropy" else wrong
    return {name: np.asarray(each) for name, each in objective.costs(errors, outputs).items()}


@pytest.mark.parametrize("temperature", [1.0, 0.1])
@pytest.mark.parametrize(("optimistic", "error"), KINDS)
@pytest.mark.parametrize("name", TREES)
def test_terms_are_those_of_the_equations(name: str, optimistic: bool, error: str, temperature: float) -> None:
    data = batch(TREES[name])
    objective = critic(data.tree, optimistic=optimistic, error=error, temperature=temperature)
    found = values(objective, data)
    assert tuple(found) == TERMS == objective.names
    assert found == pytest.approx(equations(data, targets(data, optimistic, error), temperature), rel=1e-4)


@pytest.mark.parametrize(("optimistic", "error"), KINDS)
@pytest.mark.parametrize("name", TREES)
def test_targets_are_those_of_the_equations(name: str, optimistic: bool, error: str) -> None:
    data = batch(TREES[name])
    found = found_costs(critic(data.tree, optimistic=optimistic, error=error), data)
    assert_close(found, targets(data, optimistic, error))


def by_hand(optimistic: bool) -> np.ndarray:
    """The targets of the first junction of a chain, whose second one leaves and would better go on."""
    tree = CHAIN
    # Two samples that an exit gets right or wrong, in cross-entropies that are easy to add.
    errors = {"exit_1": [3.0, 1.0], "exit_2": [2.0, 4.0], "exit_3": [0.5, 0.25]}
    scores = {"junction_1": np.zeros((2, 2)), "junction_2": np.array([[1.0, 0.0], [0.0, 1.0]])}
    costs = {"column_1": 1, "junction_1": 2, "exit_1": 4, "column_2": 8, "junction_2": 16, "exit_2": 32}
    costs |= {"column_3": 64, "exit_3": 128}
    objective = Critic(tree, costs, computation_cost=0.001, optimistic=optimistic)
    outputs = {f"{name}_scores": keras.ops.convert_to_tensor(each.astype("float32")) for name, each in scores.items()}
    tensors = {name: keras.ops.convert_to_tensor(np.array(each, "float32")) for name, each in errors.items()}
    return np.asarray(objective.costs(tensors, outputs)["junction_1"])


def test_a_pragmatic_target_follows_the_largest_score() -> None:
    # Column and junction 2 cost 24; the first sample then leaves for 32, the second goes on for 192.
    expected = [[3.004, 0.024 + 2.032], [1.004, 0.024 + 0.25 + 0.192]]
    np.testing.assert_allclose(by_hand(optimistic=False), expected, rtol=1e-5)


def test_an_optimistic_target_follows_the_cheapest_way() -> None:
    expected = [[3.004, 0.024 + 0.5 + 0.192], [1.004, 0.024 + 0.25 + 0.192]]
    np.testing.assert_allclose(by_hand(optimistic=True), expected, rtol=1e-5)


def test_pragmatic_targets_follow_the_first_of_equal_scores() -> None:
    data = batch(TREE)
    even = data._replace(scores={name: np.zeros_like(each) for name, each in data.scores.items()})
    found = found_costs(critic(TREE), even)
    assert_close(found, targets(even, False, "cross_entropy"))


@pytest.mark.parametrize("error", ["cross_entropy", "classification"])
@pytest.mark.parametrize("name", TREES)
def test_optimistic_targets_never_exceed_pragmatic_ones(name: str, error: str) -> None:
    lower = 0
    for seed in range(5):
        data = batch(TREES[name], seed)
        optimistic, pragmatic = (
            found_costs(critic(data.tree, optimistic=kind, error=error), data) for kind in (True, False)
        )
        for junction, each in optimistic.items():
            assert (each <= pragmatic[junction] + 1e-6).all()
            lower += (each < pragmatic[junction] - 1e-6).sum()
    assert lower > 0


def test_with_classification_error_exits_still_learn_by_cross_entropy() -> None:
    data = batch(CHAIN)
    first, second = (values(critic(CHAIN, error=error), data) for error in ("cross_entropy", "classification"))
    assert first["classification_loss"] == second["classification_loss"]
    assert first["regression_loss"] != pytest.approx(second["regression_loss"], rel=1e-2)


def test_a_right_answer_costs_its_computation_alone() -> None:
    data = batch(CHAIN)
    right = data._replace(logits=np.repeat(5 * data.targets[:, None], 3, axis=1))
    found = found_costs(critic(CHAIN, error="classification"), right)
    own = macs(CHAIN)
    leave = 0.002 * own["exit_2"]
    np.testing.assert_allclose(found["junction_2"][:, 0], np.full(BATCH, leave), rtol=1e-5)


# Gradients


@pytest.mark.parametrize("kernel_decay", [0.0, 0.03])
@pytest.mark.parametrize(("optimistic", "error"), KINDS)
@pytest.mark.parametrize("name", TREES)
def test_scores_learn_from_the_regression_alone(name: str, optimistic: bool, error: str, kernel_decay: float) -> None:
    data = batch(TREES[name])
    objective = critic(data.tree, optimistic=optimistic, error=error, kernel_decay=kernel_decay)
    reach, costs = reference.reach(data.tree, data.scores, 1.0), targets(data, optimistic, error)
    # Of w p (s - u)^2 with p and u given: 2 w p (s - u), a mean over the batch.
    weight = WEIGHTS["regression_weight"]
    expected = {
        key: 2 * weight * reach[key][:, None] * (each + costs[key]) / BATCH for key, each in data.scores.items()
    }
    assert_close(score_gradients(objective, data), expected)
    for term in ("classification_loss", "kernel_loss"):
        assert all((each == 0).all() for each in score_gradients(objective, data, [term]).values())


# Costs and configuration


def test_a_cost_of_its_own_for_each_sample() -> None:
    data = batch(TREE)
    objective = critic(TREE, computation_cost=[0.0, 0.001, 0.004])
    expected = targets(data, False, "cross_entropy", data.cost[:, 0])
    assert_close(found_costs(objective, data), expected)
    assert values(objective, data) == pytest.approx(equations(data, expected), rel=1e-4)


def test_a_network_without_junctions_has_nothing_to_predict() -> None:
    tree = Stage(("column_1",), None, (Exit("exit"),))
    outputs = {"logits": keras.ops.zeros((2, 4)), "column_1_squares": 2.0, "exit_squares": 3.0}
    terms = Critic(tree, {"column_1": 5, "exit": 2}, kernel_decay=0.1)(np.array([0, 1]), outputs)
    found = {name: float(each) for name, each in terms.items()}
    assert found == pytest.approx(dict(zip(TERMS, (np.log(4), 0.0, 0.5), strict=True)), rel=1e-5)


def test_it_comes_back_from_its_configuration() -> None:
    objective = critic(TREE, optimistic=True, error="classification", talr=False)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert type(again) is Critic and again.tree == TREE
    assert again.get_config() == objective.get_config()
    assert values(again, batch(TREE)) == values(objective, batch(TREE))


def test_the_defaults_are_those_of_the_paper() -> None:
    config = Critic(CHAIN, macs(CHAIN)).get_config()
    expected = {"regression_weight": 0.001, "kernel_decay": 1e-4, "temperature": 0.1, "temperature_half_life": 10_000}
    expected |= {"talr": True, "optimistic": False, "error": "cross_entropy"}
    assert {name: config[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"error": "squared"}, "`error` must be one of 'cross_entropy', 'classification'. Received: error='squared'"),
        ({"regression_weight": -1}, "`regression_weight` must be a number of at least zero. Received: .*weight=-1"),
        ({"temperature": -0.1}, "`temperature` must be a positive number. Received: temperature=-0.1"),
        ({"computation_cost": None}, "`computation_cost` must be a number of at least zero. Received: .*=None"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Critic(CHAIN, macs(CHAIN), **arguments)


@pytest.mark.parametrize(("optimistic", "error"), KINDS)
def test_answers_learn_nothing_from_what_the_scores_predict(optimistic: bool, error: str) -> None:
    data = batch(CHAIN)
    objective, outputs = critic(CHAIN, optimistic=optimistic, error=error), data.outputs
    logits = outputs["mixture_exit_logits"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        terms = objective(data.labels, outputs)
    # The costs are what scores are to come to, not what is to come to the scores.
    regression = tape.gradient(terms["regression_loss"], logits, unconnected_gradients="zero")
    np.testing.assert_array_equal(regression, np.zeros(data.logits.shape))
    assert np.abs(tape.gradient(terms["classification_loss"], logits)).min(axis=(0, 2)).all()
