"""An ensemble averages its members and trains each as if it were alone."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests import exit_net
from tests.exit_net import exit_model
from tf_routing.layers import CrossConnection
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.objectives import Classification, MemberObjectives

CLASSES, COUNT, RATE = 3, 10, 0.5

# `tests/conformance/test_trains.py` trains an ensemble in graphs.
pytestmark = pytest.mark.usefixtures("eagerly")


def member(seed: int, size: int | None = 4, classes: int = CLASSES) -> RoutedModel:
    keras.utils.set_random_seed(seed)
    image = keras.Input((size, size, 2), name="image")
    paths, _ = CrossConnection(2, name="route_1")(image, return_gates=True)
    features = [keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3)(path)) for path in paths]
    logits = keras.layers.Average(name="logits")([keras.layers.Dense(classes)(each) for each in features])
    return RoutedModel(image, keras.layers.Softmax(name="probabilities")(logits))


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(COUNT, 4, 4, 2)).astype("float32"), rng.integers(0, CLASSES, COUNT)


def train(model: RoutedModel) -> dict[str, list[float]]:
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9))
    return model.fit(*data(), batch_size=5, epochs=2, shuffle=False, verbose=0).history


def assert_same_weights(one: RoutedModel, two: RoutedModel) -> None:
    for first, second in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_prediction_is_the_mean_of_the_members_probabilities(count: int) -> None:
    members, (x, _) = [member(seed) for seed in range(count)], data()
    answers = [each.predict(x, verbose=0) for each in members]
    expected = np.mean(answers, axis=0)
    assert count == 1 or np.abs(expected - answers[0]).max() > 1e-3
    ensemble = Ensemble.of(members)
    np.testing.assert_allclose(ensemble.predict(x, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(ensemble(x), expected, rtol=1e-5)


def test_it_holds_the_given_members_and_names_them() -> None:
    members = [member(0), member(1)]
    ensemble = Ensemble.of(members, name="pair")
    assert ensemble.name == "pair" and [each.name for each in ensemble.members] == ["member_1", "member_2"]
    assert all(held is given for held, given in zip(ensemble.members, members, strict=True))


def test_fit_moves_each_member_as_training_it_alone() -> None:
    alone, together = [member(0), member(1)], Ensemble.of([member(0), member(1)])
    start = together.get_weights()
    histories = [train(each) for each in alone]
    history = train(together)
    assert all(np.abs(old - new).max() > 1e-3 for old, new in zip(start, together.get_weights(), strict=True))
    for model, expected in zip(together.members, alone, strict=True):
        assert_same_weights(model, expected)
    for number, own in enumerate(histories, 1):
        np.testing.assert_allclose(history[f"member_{number}_classification_loss"], own["loss"], rtol=1e-4)
    np.testing.assert_allclose(history["loss"], np.sum([own["loss"] for own in histories], axis=0), rtol=1e-4)


def test_members_that_were_compiled_before_do_not_show_in_the_log() -> None:
    members = [member(0), member(1)]
    for each in members:
        each.compile(metrics=["accuracy"])
    ensemble, (x, y) = Ensemble.of(members), data()
    ensemble.compile()
    logs = ensemble.evaluate(x, y, verbose=0, return_dict=True)
    terms = {f"member_{number}_classification_loss" for number in (1, 2)}
    assert set(logs) == {"loss", *terms}
    assert logs["loss"] == pytest.approx(sum(logs[name] for name in terms), rel=1e-5)


def test_metrics_see_the_average() -> None:
    ensemble, (x, y) = Ensemble.of([member(0), member(1)]), data()
    ensemble.compile(metrics=["sparse_categorical_crossentropy"])
    logs = ensemble.evaluate(x, y, verbose=0, return_dict=True)
    expected = -np.log(np.asarray(ensemble(x))[range(COUNT), y]).mean()
    assert logs["sparse_categorical_crossentropy"] == pytest.approx(expected, rel=1e-5)


def test_a_keras_loss_judges_the_average() -> None:
    ensemble, (x, y) = Ensemble.of([member(0), member(1)]), data()
    ensemble.compile(loss="sparse_categorical_crossentropy")
    expected = -np.log(np.asarray(ensemble(x))[range(COUNT), y]).mean()
    assert ensemble.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_routes_and_cost_are_those_of_the_members() -> None:
    members, (x, _) = [member(0), member(1)], data()
    ensemble = Ensemble.of(members)
    routes = ensemble.routes(x)
    assert list(routes) == ["member_1/route_1", "member_2/route_1"]
    for model, gates in zip(members, routes.values(), strict=True):
        np.testing.assert_allclose(gates, model.routes(x)["route_1"], rtol=1e-5)
    own = 16 * (2 + 2) + 2 * 4 * 3 * 9 * 2 + 2 * 3 * CLASSES
    assert ensemble.static_cost == 2 * own
    np.testing.assert_array_equal(ensemble.cost(x), [2 * own] * COUNT)


def test_a_saved_ensemble_predicts_and_trains_the_same(tmp_path: Path) -> None:
    ensemble, (x, y) = Ensemble.of([member(0), member(1)]), data()
    train(ensemble)
    ensemble.save(tmp_path / "ensemble.keras")
    again = keras.saving.load_model(tmp_path / "ensemble.keras")
    assert type(again) is Ensemble and [each.name for each in again.members] == ["member_1", "member_2"]
    np.testing.assert_allclose(again.predict(x, verbose=0), ensemble.predict(x, verbose=0), rtol=1e-5)
    histories = [each.fit(x, y, batch_size=4, shuffle=False, verbose=0).history for each in (ensemble, again)]
    assert set(histories[0]) == set(histories[1])
    assert_same_weights(again, ensemble)


def test_no_member_is_named() -> None:
    with pytest.raises(ValueError, match="`members` must hold at least one model. Received: none"):
        Ensemble.of([])


def test_members_of_different_classes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"`members` must agree.*\(None, 3\).*\(None, 7\)"):
        Ensemble.of([member(0), member(1, classes=7)])


def test_members_of_different_image_sizes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"`members` must agree.*\(None, 4, 4, 2\).*\(None, 5, 5, 2\)"):
        Ensemble.of([member(0), member(1, size=5)])


def test_members_of_open_and_fixed_image_sizes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"`members` must agree.*\(None, None, None, 2\)"):
        Ensemble.of([member(0), member(1, size=None)])


# Members that leave early


# One junction: how trees train is tested with their objective.
_TREE = {"channels": [4, 6], "sinks": ["classify", {"channels": [8], "sinks": ["classify"]}]}
COSTS = (0.0, 1e-5)


def leaving(computation_cost: float) -> RoutedModel:
    model = exit_model(_TREE)
    # Cooling fast, so that steps count.
    changed = {"computation_cost": computation_cost, "temperature_half_life": 2.0}
    model.set_default_objective(model.default_objective().changed(**changed))
    return model


def train_to_leave(model: RoutedModel, inputs: object = None) -> dict[str, list[float]]:
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), run_eagerly=True)
    x = exit_net.images() if inputs is None else inputs
    return model.fit(x, exit_net.labels(), batch_size=12, epochs=2, shuffle=False, verbose=0).history


def test_members_that_leave_early_train_as_each_alone() -> None:
    alone, together = [leaving(cost) for cost in COSTS], Ensemble.of([leaving(cost) for cost in COSTS])
    histories = [train_to_leave(each) for each in alone]
    history = train_to_leave(together)
    for model, expected in zip(together.members, alone, strict=True):
        assert_same_weights(model, expected)
    assert np.abs(alone[0].get_weights()[0] - alone[1].get_weights()[0]).max() > 1e-4
    assert [int(steps) for steps in together.objective_state] == [4, 4]
    for number, own in enumerate(histories, 1):
        for name in ("kernel_loss", "classification_loss", "computation_loss", "executed_macs"):
            np.testing.assert_allclose(history[f"member_{number}_{name}"], own[name], rtol=1e-4)
    np.testing.assert_allclose(history["loss"], np.sum([own["loss"] for own in histories], axis=0), rtol=1e-4)


def test_members_that_are_told_of_cost_read_the_same_one() -> None:
    members = [exit_model(_TREE, dynamic_cost=True, computation_cost=COSTS) for _ in range(2)]
    ensemble = Ensemble.of(members)
    assert ensemble.default_objective().drawn_inputs == {"cost": COSTS}
    inputs = {"image": exit_net.images(), "cost": np.resize(COSTS, (exit_net.COUNT, 1)).astype("float32")}
    answers = [each.predict(inputs, verbose=0) for each in members]
    np.testing.assert_allclose(ensemble.predict(inputs, verbose=0), np.mean(answers, axis=0), rtol=1e-5)
    assert np.isfinite(train_to_leave(ensemble, inputs)["loss"]).all()
    members[1].set_default_objective(members[1].default_objective().changed(computation_cost=(0.0, 1.0)))
    with pytest.raises(ValueError, match="'member_2' draws 'cost' from .*give all members the same values"):
        _ = ensemble.default_objective().drawn_inputs


def test_how_an_ensemble_runs_is_how_its_members_run() -> None:
    ensemble = Ensemble.of([exit_model(), exit_model()])
    ensemble.execution = "sparse"
    assert [each.execution for each in ensemble.members] == ["sparse", "sparse"]
    assert [each.executor.can_leave_early for each in ensemble.members] == [True, True]
    ensemble.execution = "masked"
    assert [each.executor.can_leave_early for each in ensemble.members] == [False, False]


def test_the_default_objective_of_an_ensemble_is_that_of_its_members() -> None:
    ensemble = Ensemble.of([member(0), member(1)])
    ensemble.set_default_objective(MemberObjectives({f"member_{n}": Classification(0.25 * n) for n in (1, 2)}))
    assert [each.default_objective().label_smoothing for each in ensemble.members] == [0.25, 0.5]
    with pytest.raises(ValueError, match="must be MemberObjectives for member_1, member_2"):
        ensemble.set_default_objective(Classification())
