"""A gated model shows its switches and what they cost, and keeps the objective that belongs to it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.gated_net import CATEGORIES, COUNT, FIXED, MACS, PARTS, WEIGHTS, gated_model, images, labels
from tf_routing import calibrate, cost
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.objectives import Classification, DynamicMultipath, MemberObjectives

pytestmark = pytest.mark.usefixtures("eagerly")


def decisive(rate: float = 0.5) -> RoutedModel:
    """The network with decisions that differ between images."""
    model = gated_model()
    calibrate(model, images(), rate=rate)
    return model


def costs_by_hand(routes: dict[str, np.ndarray]) -> np.ndarray:
    gated = [routes[name].astype("int64") * np.array(macs) for name, macs in MACS.items()]
    return FIXED + sum(each.sum(axis=1) for each in gated)


def test_routes_are_switches() -> None:
    routes = decisive().routes(images(), batch_size=5)
    assert {name: switches.shape for name, switches in routes.items()} == {
        "controller_1": (COUNT, 2),
        "controller_2": (COUNT, 3),
    }
    for switches in routes.values():
        assert set(np.unique(switches)) == {0, 1}
        np.testing.assert_allclose(switches.mean(axis=0), 0.5)


@pytest.mark.parametrize("execution", ["masked", "sparse"])
def test_cost_is_what_runs_always_and_what_is_switched_on(execution: str) -> None:
    model = decisive()
    model.execution = execution
    costs = model.cost(images(), batch_size=5)
    assert np.issubdtype(costs.dtype, np.integer) and len(set(costs.tolist())) > 2
    np.testing.assert_array_equal(costs, costs_by_hand(model.routes(images())))


@pytest.mark.parametrize(("rate", "expected"), [(1, FIXED + PARTS), (0, FIXED)])
def test_cost_with_all_switches_on_and_off(rate: float, expected: int) -> None:
    model = decisive(rate)
    assert model.cost(images()).tolist() == [expected] * COUNT
    assert model.static_cost == FIXED + PARTS


def test_decisions_of_a_model_inside_are_asked_for_there() -> None:
    inner, image = decisive(), keras.Input((6, 6, 3))
    outer = RoutedModel(image, inner(image), name="outer")
    assert outer.static_cost == inner.static_cost == FIXED + PARTS
    with pytest.raises(ValueError, match="outer does not show.*Received: a model that holds gated/controller_1, "):
        outer.cost(images())


def test_executed_and_expected_cost_agree_on_average() -> None:
    model = decisive()
    fixed, gated = cost.gated_macs(model)
    rates = {name: keras.ops.mean(keras.ops.array(each), axis=0) for name, each in model.routes(images()).items()}
    expected = fixed + float(cost.expected_macs(gated, rates))
    assert expected == pytest.approx(model.cost(images()).mean(), rel=1e-6)
    assert fixed < expected < model.static_cost


def test_an_ensemble_costs_what_its_members_cost() -> None:
    members = [decisive(), decisive(0.25)]
    ensemble = Ensemble.of(members)
    assert list(ensemble.routes(images())) == [f"member_{n}/controller_{c}" for n in (1, 2) for c in (1, 2)]
    np.testing.assert_array_equal(ensemble.cost(images()), sum(each.cost(images()) for each in members))
    assert ensemble.static_cost == 2 * (FIXED + PARTS)


def test_objectives_read_switches_and_states() -> None:
    outputs = decisive()(images(), return_outputs=True)
    assert set(outputs) == {"probabilities", "logits", *WEIGHTS, *(f"{name}_state" for name in WEIGHTS)}
    assert outputs["controller_2_state"].shape == (COUNT, 32)
    assert outputs["controller_2"].shape == (COUNT, 3)


def config(model: RoutedModel) -> dict[str, Any]:
    return model.default_objective().get_config()


def test_the_default_objective_is_a_fresh_copy() -> None:
    model = gated_model()
    first, second = model.default_objective(), model.default_objective()
    assert type(first) is DynamicMultipath and first is not second
    first.build(model.symbolic_outputs())
    assert len(first.variables) == 4 and second.variables == [] == model.default_objective().variables
    assert config(model)["macs"] == MACS and config(model)["categories"] == CATEGORIES


def test_a_compiled_model_trains_on_its_default_objective() -> None:
    model = gated_model()
    model.compile()
    assert model.has_objective
    logs = model.evaluate(images(), labels(), verbose=0, return_dict=True)
    assert set(logs) == {"loss", *model.default_objective().names}


def test_the_default_objective_can_be_set() -> None:
    model = gated_model()
    model.set_default_objective(Classification(0.25))
    assert type(model.default_objective()) is Classification
    assert model.default_objective().label_smoothing == 0.25
    model.compile()
    assert set(model.evaluate(images(), labels(), verbose=0, return_dict=True)) == {"loss", "classification_loss"}


def test_the_default_objective_is_saved_with_the_model(tmp_path: Path) -> None:
    model = gated_model(label_smoothing=0.1, resource_scale=3.0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.default_objective()) is DynamicMultipath
    assert config(again) == config(model)
    again.compile()
    assert len(again.objective_variables) == 4


def test_what_was_compiled_wins_over_the_default_in_a_saved_model(tmp_path: Path) -> None:
    model = gated_model()
    model.compile(objective=Classification(0.5))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert set(again.evaluate(images(), labels(), verbose=0, return_dict=True)) == {"loss", "classification_loss"}
    assert config(again) == config(model)


def test_the_default_objective_survives_a_config() -> None:
    model = gated_model(category_scale=0.5)
    again = RoutedModel.from_config(model.get_config())
    assert config(again) == config(model)
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(np.asarray(again(images())), np.asarray(model(images())), rtol=1e-6)


def test_a_model_without_one_classifies() -> None:
    image = keras.Input((4,))
    model = RoutedModel(image, keras.layers.Dense(3, "softmax")(image))
    assert type(model.default_objective()) is Classification
    assert type(RoutedModel.from_config(model.get_config()).default_objective()) is Classification


def test_an_ensembles_default_objective_is_its_members(tmp_path: Path) -> None:
    ensemble = Ensemble.of([gated_model(0), gated_model(1, categories=None)])
    ensemble.save(tmp_path / "model.keras")
    for each in (ensemble, keras.saving.load_model(tmp_path / "model.keras")):
        objective = each.default_objective()
        assert type(objective) is MemberObjectives
        assert [member.categories for member in objective.objectives.values()] == [CATEGORIES, None]
        each.compile(keras.optimizers.SGD(0.1))
        assert len(each.objective_variables) == 4
        logs = each.fit(images(), labels(), batch_size=COUNT, verbose=0).history
        assert {"member_1_category_loss", "member_2_flops_loss"} <= set(logs)
        assert "member_2_category_loss" not in logs
