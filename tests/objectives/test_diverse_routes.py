"""The objective of networks that skip blocks against Eq. 5-10 in NumPy, each term and each gradient by hand."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tf_routing.objectives import DiverseRoutes

SAMPLES, COPIES, CLASSES = 6, 4, 3
ROWS = SAMPLES * COPIES
MACS = {"router_1": [3], "router_2": [5], "router_3": [3], "router_4": [1]}
SHARES = np.array([3, 5, 3, 1]) / 12
BLOCKS = len(MACS)
# Unlike the defaults, so that each is seen to count; and between the distances of random routes.
OWN = {"consistency_weight": 0.7, "diversity_weight": 0.3, "cost_weight": 0.2, "regularization_weight": 0.4}
OWN |= {"consistency_margin": 0.45, "diversity_margin": 0.5}
TERMS = ("classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "regularization_loss")
ROUTING = TERMS[1:]


def built(**arguments: Any) -> DiverseRoutes:
    objective = DiverseRoutes(**{"macs": MACS, "copies": COPIES, **OWN, **arguments})
    objective.build({})
    return objective


def routes(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(rows, BLOCKS))


def outputs(values: Any, dtype: str = "float32") -> dict[str, Any]:
    """What the objective reads: the routes by router, and logits that answer at random."""
    values = np.asarray(values, "float64")
    logits = np.random.default_rng(99).normal(size=(len(values), CLASSES))
    decisions = {name: values[:, n : n + 1] for n, name in enumerate(MACS)}
    tensors = {name: keras.ops.convert_to_tensor(each.astype(dtype)) for name, each in decisions.items()}
    return {"logits": keras.ops.convert_to_tensor(logits.astype("float32")), **tensors}


def labels(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows) % CLASSES


def terms(objective: DiverseRoutes, values: Any) -> dict[str, float]:
    found = objective(labels(len(values)), outputs(values))
    return {name: float(term) for name, term in found.items()}


def norm(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt((vectors**2).sum(axis=-1))


def grouped(values: np.ndarray, copies: int = COPIES) -> tuple[np.ndarray, np.ndarray]:
    """Routes `(samples, copies, blocks)` and their centres."""
    groups = values.reshape(-1, copies, values.shape[-1])
    return groups, groups.mean(axis=1)


def equations(values: np.ndarray, copies: int = COPIES, reading: str = "within") -> dict[str, float]:
    """Eq. 5, 6, 8 and 10 with the weights and margins of `OWN`."""
    groups, centres = grouped(values, copies)
    count, inconsistency, closeness = len(groups), 0.0, 0.0
    for group, centre in zip(groups, centres, strict=True):
        for route in group:
            inconsistency += max(norm(route - centre) - OWN["consistency_margin"], 0) ** 2 / (count * copies)
    for i in range(count):
        for j in range(count):
            if i != j:
                distance = norm(centres[i] - centres[j])
                closeness += max(OWN["diversity_margin"] - distance, 0) ** 2 / (count * (count - 1))
    spread = norm(groups - centres[:, None]) if reading == "within" else norm(centres)
    return {
        "consistency_loss": OWN["consistency_weight"] * inconsistency,
        "diversity_loss": OWN["diversity_weight"] * closeness,
        "cost_loss": OWN["cost_weight"] * (values @ SHARES).mean(),
        "regularization_loss": OWN["regularization_weight"] * spread.mean(),
    }


def routing(found: dict[str, float]) -> dict[str, float]:
    return {name: found[name] for name in ROUTING}


# The terms


@pytest.mark.parametrize("reading", ["within", "center"])
@pytest.mark.parametrize("copies", [1, 2, COPIES])
def test_the_terms_are_those_of_the_equations(copies: int, reading: str) -> None:
    for seed in range(3):
        values = routes(seed)
        groups, centres = grouped(values, copies)
        if copies == COPIES:
            # Both hinges act on some and not on others.
            active = norm(groups - centres[:, None]) > OWN["consistency_margin"]
            apart = norm(centres[:, None] - centres)[~np.eye(SAMPLES, dtype=bool)] > OWN["diversity_margin"]
            assert 0 < active.mean() < 1 and 0 < apart.mean() < 1
        found = terms(built(copies=copies, regularization=reading), values)
        assert tuple(found) == TERMS
        assert routing(found) == pytest.approx(equations(values, copies, reading), rel=1e-5, abs=1e-6)


def test_classification_sees_every_copy() -> None:
    values = routes()
    probabilities = reference.softmax(np.asarray(outputs(values)["logits"], "float64"))
    expected = -np.log(probabilities[np.arange(ROWS), labels()]).mean()
    assert terms(built(), values)["classification_loss"] == pytest.approx(expected, rel=1e-5)


def test_sample_weights_weigh_the_classification_alone() -> None:
    values, weights = routes(), np.arange(ROWS, dtype="float32")
    found = {name: float(term) for name, term in built()(labels(), outputs(values), weights).items()}
    plain = terms(built(), values)
    assert found["classification_loss"] != pytest.approx(plain["classification_loss"], rel=0.1)
    assert routing(found) == routing(plain)


def test_identical_copies_are_consistent() -> None:
    found = terms(built(consistency_margin=0.0), np.repeat(routes(1, SAMPLES), COPIES, axis=0))
    assert found["consistency_loss"] == pytest.approx(0, abs=1e-5)
    assert found["regularization_loss"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_where_all_routes_are_equal_diversity_is_the_square_of_its_margin(margin: float) -> None:
    found = terms(built(diversity_margin=margin), np.tile([0.3, 0.9, 0.1, 0.5], (ROWS, 1)))
    assert found["diversity_loss"] == pytest.approx(0.3 * margin**2, abs=1e-5)


def test_centres_further_apart_than_the_margin_cost_nothing() -> None:
    corners = np.repeat(np.eye(BLOCKS), COPIES, axis=0)
    assert terms(built(diversity_margin=1.4), corners)["diversity_loss"] == 0
    # And a little beyond it, that much.
    found = terms(built(diversity_margin=1.6), corners)["diversity_loss"]
    assert found == pytest.approx(0.3 * (1.6 - np.sqrt(2)) ** 2, rel=1e-4)


@pytest.mark.parametrize(("deviation", "expected"), [(0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (0.3, 0.01), (0.5, 0.09)])
def test_deviations_within_the_margin_cost_nothing(deviation: float, expected: float) -> None:
    pair = np.array([[0.5 - deviation, 0.7, 0.7, 0.7], [0.5 + deviation, 0.7, 0.7, 0.7]])
    objective = built(copies=2, consistency_margin=0.2, consistency_weight=1.0)
    found = terms(objective, np.tile(pair, (3, 1)))
    assert found["consistency_loss"] == pytest.approx(expected, abs=1e-6)
    assert found["regularization_loss"] == pytest.approx(0.4 * deviation, abs=1e-5)


def test_the_other_reading_pulls_centres_to_the_origin() -> None:
    values = np.repeat([[0.6, 0.8, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], COPIES, axis=0)
    assert terms(built(regularization="center"), values)["regularization_loss"] == pytest.approx(0.4 * 0.5, rel=1e-4)
    assert terms(built(regularization="within"), values)["regularization_loss"] == pytest.approx(0, abs=1e-5)


def test_one_image_has_no_pair() -> None:
    found = terms(built(), np.tile([0.3, 0.9, 0.1, 0.5], (COPIES, 1)))
    assert found["diversity_loss"] == 0 and np.isfinite(list(found.values())).all()


def test_costs_are_shares_of_the_whole() -> None:
    assert terms(built(cost_weight=1.0), np.ones((COPIES, BLOCKS)))["cost_loss"] == pytest.approx(1.0, rel=1e-6)
    for n, share in enumerate(SHARES):
        only = np.tile(np.eye(BLOCKS)[n], (COPIES, 1))
        assert terms(built(cost_weight=1.0), only)["cost_loss"] == pytest.approx(share, rel=1e-6)


def test_macs_beyond_float32_keep_their_shares() -> None:
    macs = {name: [2**40 * each[0]] for name, each in MACS.items()}
    expected = terms(built(), routes())
    assert terms(built(macs=macs), routes()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("consistency_weight", "consistency_loss"),
        ("diversity_weight", "diversity_loss"),
        ("cost_weight", "cost_loss"),
        ("regularization_weight", "regularization_loss"),
    ],
)
def test_weights_multiply_their_terms(argument: str, name: str) -> None:
    plain, doubled = terms(built(), routes()), terms(built(**{argument: 2 * OWN[argument]}), routes())
    assert plain[name] > 1e-4
    assert doubled == pytest.approx({**plain, name: 2 * plain[name]}, rel=1e-5)


@pytest.mark.parametrize("reading", ["within", "center"])
def test_without_consistency_there_is_no_regularisation(reading: str) -> None:
    arguments = {"consistency_weight": 0.0, "diversity_weight": 0.0, "regularization": reading}
    found = terms(built(**arguments), routes())
    baseline = {**dict.fromkeys(ROUTING, 0.0), "cost_loss": equations(routes())["cost_loss"]}
    assert routing(found) == pytest.approx(baseline, rel=1e-5, abs=0)
    # Diversity alone does not bring it back.
    assert terms(built(consistency_weight=0.0), routes())["regularization_loss"] == 0
    assert terms(built(diversity_weight=0.0), routes())["regularization_loss"] > 0.01


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_routes_of_half_precision_are_compared_in_float32(dtype: str) -> None:
    tensors = outputs(routes())
    halves = {name: keras.ops.cast(each, dtype) if name in MACS else each for name, each in tensors.items()}
    again = {name: keras.ops.cast(each, "float32") for name, each in halves.items()}
    found, expected = (built()(labels(), each) for each in (halves, again))
    for name, term in found.items():
        assert keras.backend.standardize_dtype(term.dtype) == "float32"
        assert float(term) == pytest.approx(float(expected[name]), rel=1e-6)


# Gradients


def gradients(objective: DiverseRoutes, values: np.ndarray, term: str) -> np.ndarray:
    tensors = outputs(values)
    read = [tensors[name] for name in MACS]
    with tf.GradientTape() as tape:
        tape.watch(read)
        loss = objective(labels(len(values)), tensors)[term]
    found = tape.gradient(loss, read, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return np.concatenate([np.asarray(each) for each in found], axis=1)


def assert_gradient(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_the_gradient_of_consistency_in_closed_form() -> None:
    values = routes(1)
    groups, centres = grouped(values)
    away = groups - centres[:, None]
    beyond = np.maximum(norm(away) - OWN["consistency_margin"], 0)[..., None]
    own = 2 * beyond * away / norm(away)[..., None] / ROWS
    # A copy moves its centre too.
    expected = OWN["consistency_weight"] * (own - own.mean(axis=1, keepdims=True)).reshape(ROWS, BLOCKS)
    assert_gradient(gradients(built(), values, "consistency_loss"), expected)


def test_the_gradient_of_diversity_in_closed_form() -> None:
    values = routes(2)
    _, centres = grouped(values)
    slopes = np.zeros_like(centres)
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            away = centres[i] - centres[j]
            if i != j and norm(away) < OWN["diversity_margin"]:
                # Each pair counts twice, and pushes both apart.
                slopes[i] -= 2 * 2 * (OWN["diversity_margin"] - norm(away)) * away / norm(away)
    slopes *= OWN["diversity_weight"] / (SAMPLES * (SAMPLES - 1))
    expected = np.repeat(slopes / COPIES, COPIES, axis=0)
    assert_gradient(gradients(built(), values, "diversity_loss"), expected)


def test_the_gradient_of_the_cost_in_closed_form() -> None:
    expected = np.tile(OWN["cost_weight"] * SHARES / ROWS, (ROWS, 1))
    assert_gradient(gradients(built(), routes(), "cost_loss"), expected)


@pytest.mark.parametrize("reading", ["within", "center"])
def test_the_gradient_of_the_regularisation_in_closed_form(reading: str) -> None:
    values = routes(3)
    groups, centres = grouped(values)
    if reading == "within":
        away = groups - centres[:, None]
        own = away / norm(away)[..., None] / ROWS
        slopes = (own - own.mean(axis=1, keepdims=True)).reshape(ROWS, BLOCKS)
    else:
        slopes = np.repeat(centres / norm(centres)[:, None] / (SAMPLES * COPIES), COPIES, axis=0)
    found = gradients(built(regularization=reading), values, "regularization_loss")
    assert_gradient(found, OWN["regularization_weight"] * slopes)


@pytest.mark.parametrize("reading", ["within", "center"])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gradients_are_finite_where_routes_coincide(value: float, reading: str) -> None:
    objective, values = built(consistency_margin=0.0, regularization=reading), np.full((ROWS, BLOCKS), value)
    for name in ROUTING:
        assert np.isfinite(gradients(objective, values, name)).all(), name


# At evaluation


def test_at_evaluation_each_row_is_an_image_of_its_own() -> None:
    objective, values = built(), 0.6 * routes(4, 9)
    found = terms(objective.at_evaluation(), values)
    assert routing(found) == pytest.approx(equations(values, copies=1), rel=1e-5, abs=1e-6)
    assert found["consistency_loss"] == pytest.approx(0, abs=1e-9) and found["diversity_loss"] > 1e-3
    assert objective.copies == COPIES


def test_evaluation_and_training_share_the_adapted_weight() -> None:
    objective = built(target=0.5)
    before = objective.at_evaluation()
    objective.end_epoch({"execution_rate": 0.9})
    expected = 0.2 * 1.05 * (routes() @ SHARES).mean()
    for each in (objective, before, objective.at_evaluation()):
        assert terms(each, routes())["cost_loss"] == pytest.approx(expected, rel=1e-5)
    assert before.state[0] is objective.state[0]


# What is measured and adapted


def test_the_measured_rate_is_that_of_hard_decisions() -> None:
    values = np.tile([[0.0, 0.5, 0.51, 1.0], [0.49, 0.2, 0.9, 0.1]], (2, 1))
    objective = built()
    assert objective.measured_names == ("execution_rate",)
    found = objective.measures(outputs(values))
    assert list(found) == ["execution_rate"]
    assert float(found["execution_rate"]) == 4 / 8


def test_with_a_target_the_weight_is_measured_too() -> None:
    objective = built(target=0.5)
    assert objective.measured_names == ("execution_rate", "cost_weight")
    objective.end_epoch({"execution_rate": 0.9})
    found = {name: float(value) for name, value in objective.measures(outputs(routes())).items()}
    assert found == pytest.approx({"execution_rate": (routes() >= 0.5).mean(), "cost_weight": 0.21})


def adapted(objective: DiverseRoutes, *rates: float) -> float:
    for rate in rates:
        objective.end_epoch({"loss": 1.0, "execution_rate": rate})
    (weight,) = objective.state
    return float(weight)


@pytest.mark.parametrize(
    ("rates", "factor"),
    [((), 1.0), ((0.51,), 1.05), ((0.49,), 0.95), ((0.5,), 1.0), ((0.9, 0.9, 0.1), 1.05**2 * 0.95), ((1.0,), 1.05)],
)
def test_the_weight_follows_the_executed_share(rates: tuple[float, ...], factor: float) -> None:
    assert adapted(built(target=0.5), *rates) == pytest.approx(0.2 * factor, rel=1e-6)


def test_the_weight_stays_between_its_limits() -> None:
    high, low = built(target=0.5, cost_weight=9.9), built(target=0.5, cost_weight=1.02e-4)
    assert adapted(high, 1.0) == pytest.approx(10.0) == adapted(high, 1.0)
    assert adapted(low, 0.0) == pytest.approx(1e-4) == adapted(low, 0.0)
    # And comes back from them.
    assert adapted(high, 0.0) == pytest.approx(9.5) and adapted(low, 1.0) == pytest.approx(1.05e-4)


def test_without_a_target_nothing_is_adapted() -> None:
    objective = built()
    objective.end_epoch({"execution_rate": 1.0})
    assert objective.state == []
    assert terms(objective, routes())["cost_loss"] == pytest.approx(equations(routes())["cost_loss"], rel=1e-5)


def test_the_weight_is_there_once_built_and_trains_nowhere() -> None:
    objective = DiverseRoutes(MACS, target=0.5)
    assert objective.state == []
    objective.build({})
    adapted(objective, 1.0)
    (weight,) = objective.state
    objective.build({})
    assert objective.state[0] is weight and float(weight) == pytest.approx(0.0525)
    assert not weight.trainable and objective.variables == []


# Copies and configurations


def test_grouped_changes_the_copies_alone() -> None:
    plain = built(copies=1, target=0.5)
    again = plain.grouped(COPIES)
    assert again.get_config() == {**plain.get_config(), "copies": COPIES}
    assert routing(terms(again, routes())) == pytest.approx(equations(routes()), rel=1e-5)


def test_smoothing_changes_the_classification_term_alone() -> None:
    plain, smoothed = built(), built().smoothed(0.2)
    assert smoothed.get_config() == {**plain.get_config(), "label_smoothing": 0.2}
    scores = reference.softmax(np.asarray(outputs(routes())["logits"], "float64"))
    targets = 0.8 * np.eye(CLASSES)[labels()] + 0.2 / CLASSES
    expected = {**terms(plain, routes()), "classification_loss": -(targets * np.log(scores)).sum(axis=1).mean()}
    assert abs(expected["classification_loss"] - terms(plain, routes())["classification_loss"]) > 1e-4
    assert terms(smoothed, routes()) == pytest.approx(expected, rel=1e-5)


def test_config_round_trip() -> None:
    objective = built(regularization="center", target=0.4, label_smoothing=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert type(again) is DiverseRoutes and again.get_config() == objective.get_config()
    assert again.state == []
    assert terms(again, routes()) == terms(objective, routes())


def test_the_defaults_are_those_of_the_paper() -> None:
    objective = DiverseRoutes(MACS)
    weights = [objective.consistency_weight, objective.diversity_weight, objective.cost_weight]
    assert [*weights, objective.regularization_weight] == [0.2, 0.2, 0.05, 0.5]
    assert (objective.consistency_margin, objective.diversity_margin) == (0.2, 0.5)
    assert objective.regularization == "within" and objective.target is None and objective.copies == 1


@pytest.mark.parametrize("target", [0, -0.1, 1.1, True, float("nan"), "0.5"])
def test_a_target_out_of_range_is_named(target: Any) -> None:
    with pytest.raises(ValueError, match=rf"`target` must be None or in \(0, 1\]. Received: target={target!r}"):
        DiverseRoutes(MACS, target=target)


@pytest.mark.parametrize("argument", [*OWN])
@pytest.mark.parametrize("value", [-0.1, "1", float("nan")])
def test_a_weight_or_margin_below_zero_is_named(argument: str, value: Any) -> None:
    message = f"`{argument}` must be a number of at least zero. Received: {argument}={value!r}"
    with pytest.raises(ValueError, match=message):
        DiverseRoutes(MACS, **{argument: value})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"copies": 0}, "`copies` must be a positive integer. Received: copies=0"),
        ({"copies": 1.5}, "`copies` must be a positive integer. Received: copies=1.5"),
        ({"regularization": "third"}, "must be one of 'within', 'center'. Received: regularization='third'"),
        ({"label_smoothing": 1.0}, "Received: label_smoothing=1.0"),
    ],
)
def test_other_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiverseRoutes(MACS, **arguments)


# As in the authors' later public code


@pytest.mark.parametrize("copies", [2, COPIES])
def test_routes_of_both_entries_are_farther_apart_by_the_root_of_two(copies: int) -> None:
    values = routes()
    # |(r, 1 - r) - (s, 1 - s)| is sqrt(2) |r - s|: the same as routes stretched by it.
    found = terms(built(copies=copies, entries="both"), values)
    expected = equations(math.sqrt(2) * values, copies)
    for name in ("consistency_loss", "diversity_loss", "regularization_loss"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-6)
    assert found["cost_loss"] == pytest.approx(equations(values, copies)["cost_loss"], rel=1e-5)


@pytest.mark.parametrize("target", [0.5, 3.5])
def test_the_cost_is_the_distance_from_a_number_of_blocks(target: float) -> None:
    values = routes()
    objective = built(target_blocks=target)
    executed = values.sum(axis=1).mean()
    assert terms(objective, values)["cost_loss"] == pytest.approx(OWN["cost_weight"] * abs(executed - target), rel=1e-5)
    # At evaluation, and with other copies, too.
    for other in (objective.at_evaluation(), objective.grouped(2), DiverseRoutes(**objective.get_config())):
        assert terms(other, values)["cost_loss"] == pytest.approx(terms(objective, values)["cost_loss"])


def test_a_number_of_blocks_and_a_share_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="which `target_blocks` replaces"):
        built(target_blocks=2.0, target=0.5)
    with pytest.raises(ValueError, match="`target_blocks` must be a positive number"):
        built(target_blocks=0)
