"""An ensemble's objective gives every member its own terms."""

import keras
import numpy as np
import pytest

from tf_routing.objectives import Classification, DiverseRoutes, MemberObjectives

LABELS = np.array([1, 0])
FIRST = np.array([[0.5, 0.5], [0.75, 0.25]], "float32")
SECOND = np.array([[0.2, 0.8], [0.9, 0.1]], "float32")
OUTPUTS = {
    "probabilities": keras.ops.array((FIRST + SECOND) / 2),
    "one": {"probabilities": keras.ops.array(FIRST)},
    "two": {"probabilities": keras.ops.array(SECOND), "logits": keras.ops.array(np.log(SECOND))},
}


def both() -> MemberObjectives:
    return MemberObjectives({"one": Classification(), "two": Classification(0.5)})


def test_names_are_prefixed_in_order() -> None:
    assert both().names == ("one_classification_loss", "two_classification_loss")


def test_every_member_is_judged_by_its_own_objective_on_its_own_outputs() -> None:
    terms = both()(LABELS, OUTPUTS)
    assert tuple(terms) == both().names
    # Half of each label is spread over two classes: 0.75 and 0.25.
    second = -(0.75 * np.log(0.8) + 0.25 * np.log(0.2) + 0.75 * np.log(0.9) + 0.25 * np.log(0.1)) / 2
    assert float(terms["one_classification_loss"]) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2, rel=1e-5)
    assert float(terms["two_classification_loss"]) == pytest.approx(second, rel=1e-5)


def test_sample_weights_reach_every_member() -> None:
    objective = MemberObjectives({"one": Classification(), "two": Classification()})
    terms = objective(LABELS, OUTPUTS, np.array([0.0, 3.0]))
    assert float(terms["one_classification_loss"]) == pytest.approx(-3 * np.log(0.75) / 2, rel=1e-5)
    assert float(terms["two_classification_loss"]) == pytest.approx(-3 * np.log(0.9) / 2, rel=1e-5)


def test_config_round_trip() -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(both()))
    assert type(again) is MemberObjectives and again.names == both().names
    assert [type(each) for each in again.objectives.values()] == [Classification, Classification]
    assert again.objectives["two"].label_smoothing == 0.5


def skipping() -> MemberObjectives:
    own = {"router_1": [2]}
    return MemberObjectives({"one": DiverseRoutes(own, target=0.5), "two": DiverseRoutes(own, target=0.5)})


def test_what_members_measure_and_adapt_stays_apart() -> None:
    objective = skipping()
    objective.build({"one": {}, "two": {}})
    on, off = keras.ops.ones((2, 1)), keras.ops.zeros((2, 1))
    outputs = {"one": {**OUTPUTS["one"], "router_1": on}, "two": {**OUTPUTS["two"], "router_1": off}}
    measured = {name: float(value) for name, value in objective.measures(outputs).items()}
    assert tuple(measured) == objective.measured_names
    assert (measured["one_execution_rate"], measured["two_execution_rate"]) == (1.0, 0.0)
    objective.end_epoch(measured)
    # Too much was executed by one, too little by the other.
    assert [float(weight) for weight in objective.state] == pytest.approx([0.05 * 1.05, 0.05 * 0.95])


def test_members_share_their_state_at_evaluation_and_are_grouped_alike() -> None:
    grouped = skipping().grouped(4)
    grouped.build({"one": {}, "two": {}})
    evaluated = grouped.at_evaluation()
    assert [each.copies for each in grouped.objectives.values()] == [4, 4]
    assert [each.copies for each in evaluated.objectives.values()] == [1, 1]
    assert all(one is other for one, other in zip(evaluated.state, grouped.state, strict=True))
