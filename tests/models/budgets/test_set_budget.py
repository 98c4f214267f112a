"""`set_budget` moves thresholds along one number, keeps what it found, and brings the trained ones back."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_routing
from tests.brightness_net import STATIC, brightness_net, images, share
from tf_routing import calibrate, calibrate_budgets, fold_batch_norm, zoo
from tf_routing.models import Ensemble, RoutedModel


def calibrated(*budgets: float) -> RoutedModel:
    model = brightness_net()
    calibrate_budgets(model, images(), budgets or (share(50, 0), share(90, 40), share(100, 80)))
    return model


def thresholds(model: RoutedModel) -> list[float]:
    return [-float(model.get_layer(name).bias[0]) for name in model.decision_names]


def assert_same_bits(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_thresholds_are_those_found_by_hand() -> None:
    model = calibrated()
    # Ninety of a hundred images are brighter than 0.095, forty than 0.595: both thresholds are 0.155 lower.
    model.set_budget(share(90, 40))
    np.testing.assert_allclose(thresholds(model), [0.095, 0.595], atol=1e-6)
    opened = {name: int(each.sum()) for name, each in model.routes(images()).items()}
    assert opened == {"router_1": 90, "router_2": 40}
    assert model.cost(images()).mean() == pytest.approx(share(90, 40) * STATIC, rel=1e-12)
    assert model.budget == share(90, 40)


def test_rows_say_what_was_reached() -> None:
    model = calibrated()
    rows = model.budgets
    assert [row.budget for row in rows] == [share(50, 0), share(90, 40), share(100, 80)]
    np.testing.assert_allclose([row.share for row in rows], [row.budget for row in rows], rtol=1e-12)
    np.testing.assert_allclose([row.macs for row in rows], [row.budget * STATIC for row in rows], rtol=1e-12)
    np.testing.assert_allclose([row.offset for row in rows], [-0.245, 0.155, 0.555], atol=1e-6)
    assert not any(row.is_missed for row in rows)


def test_without_a_budget_the_trained_thresholds_come_back_bit_for_bit() -> None:
    model = brightness_net(0.1, 0.7)
    before = model.get_weights()
    calibrate_budgets(model, images())
    assert model.budget is None
    assert_same_bits(model.get_weights(), before)
    low, high = model.budgets[0].budget, model.budgets[-1].budget
    for budget in np.linspace(low, high, 13):
        model.set_budget(float(budget))
    assert any(one.tobytes() != other.tobytes() for one, other in zip(model.get_weights(), before, strict=True))
    model.set_budget(None)
    assert model.budget is None
    assert_same_bits(model.get_weights(), before)
    model.set_budget(None)


def test_the_way_to_a_budget_leaves_no_trace() -> None:
    direct, around = calibrated(), calibrated()
    direct.set_budget(share(90, 40))
    for budget in (share(50, 0), share(100, 80), share(90, 40)):
        around.set_budget(budget)
    assert thresholds(around) == thresholds(direct)


def test_no_image_executes_less_at_a_larger_budget() -> None:
    model, x = brightness_net(0.2, 0.5, 0.8), images(300)
    rows = calibrate_budgets(model, x)
    before = np.zeros(len(x))
    for budget in np.linspace(rows[0].budget, rows[-1].budget, 40):
        model.set_budget(float(budget))
        costs = model.cost(x)
        assert (costs >= before).all()
        assert costs.mean() / model.static_cost == pytest.approx(budget, rel=0.01)
        before = costs
    assert (before == model.static_cost).all()


def test_images_still_differ_and_keep_their_order() -> None:
    model = calibrated()
    for row in model.budgets:
        model.set_budget(row.budget)
        costs = model.cost(images())
        assert len(set(costs)) > 1 and (np.diff(costs) >= 0).all()


def test_the_example_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text("utf-8")
    code = page.split("<!-- tested by tests/models/budgets/test_set_budget.py -->\n```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    model = brightness_net()
    exec(code, {"tf_routing": tf_routing, "model": model, "images": images(), "labels": np.zeros(100)})
    assert keras.saving.load_model("net.keras").budget == 0.6
    assert [row.accuracy is not None for row in model.budgets] == [True] * 5 and model.budget is None


@pytest.mark.parametrize("how", ["calibrated", "trained", "given other weights"])
def test_a_budget_that_holds_no_longer_is_none(how: str, tmp_path: Path) -> None:
    model = calibrated()
    model.set_budget(share(90, 40))
    assert fold_batch_norm(model).budget == model.budget == share(90, 40)
    if how == "calibrated":
        calibrate(model, images(), rate=0.0)
    elif how == "trained":
        model.compile("sgd", loss="sparse_categorical_crossentropy")
        model.fit(images(), np.zeros(100, int), verbose=0)
    else:
        model.get_layer("head").kernel.assign(2 * model.get_layer("head").kernel)
    assert model.budget is None
    model.save(tmp_path / "net.keras")
    assert keras.saving.load_model(tmp_path / "net.keras").budget is None
    tf_routing.export(model, tmp_path / "export")
    assert "of these executed" not in (tmp_path / "export" / "assets" / "card.md").read_text("utf-8")


# What is refused


@pytest.mark.parametrize("budget", [True, "0.5", float("nan"), 0, -0.5, 1.5, [0.5]])
def test_what_is_no_budget_is_named(budget: Any) -> None:
    model = calibrated()
    before = model.get_weights()
    with pytest.raises(ValueError, match="`share`, the budget, must be a number above 0 and up to 1") as told:
        model.set_budget(budget)
    assert repr(budget) in str(told.value)
    assert_same_bits(model.get_weights(), before)


def test_a_number_of_numpy_is_a_budget() -> None:
    model = calibrated()
    model.set_budget(np.float64(share(90, 40)))
    assert type(model.budget) is float


def test_without_calibration_it_says_what_to_call() -> None:
    model = brightness_net()
    assert model.budgets == [] and model.budget is None
    with pytest.raises(ValueError, match="'bright' knows no budgets yet: call tf_routing.calibrate_budgets"):
        model.set_budget(0.5)
    model.set_budget(None)


def test_a_model_without_routers_is_named() -> None:
    model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    with pytest.raises(ValueError, match="'basecnn_2cc' has no routers with thresholds"):
        model.set_budget(0.5)


def test_a_budget_outside_is_told_from_one_out_of_reach() -> None:
    model = calibrated(share(50, 0), share(90, 40))
    with pytest.raises(
        ValueError, match="`share`, the budget, must be from 0.625 to 0.825.*Calibrate again with a budget as far out"
    ):
        model.set_budget(0.9)
    with pytest.raises(ValueError, match="No thresholds of this model reach less than 0.5 or more than 1."):
        model.set_budget(0.3)


def test_budgets_of_other_weights_are_refused() -> None:
    model = calibrated()
    kernel = model.get_layer("head").kernel
    kernel.assign(kernel * 1.5)
    with pytest.raises(
        ValueError, match="weights of 'bright' are no longer those .* Call tf_routing.calibrate_budgets"
    ):
        model.set_budget(share(90, 40))
    model.set_budget(None)
    calibrate_budgets(model, images(), share(90, 40))
    model.set_budget(share(90, 40))


def test_thresholds_that_were_moved_are_not_overwritten() -> None:
    model = calibrated()
    model.set_budget(share(90, 40))
    calibrate(model, images(), rate=0.5)
    moved = model.get_weights()
    for budget in (None, share(50, 0)):
        with pytest.raises(ValueError, match="thresholds of 'bright' are no longer those that `set_budget` left"):
            model.set_budget(budget)
    assert_same_bits(model.get_weights(), moved)
    # These are the trained ones from now on.
    calibrate_budgets(model, images())
    assert_same_bits(model.get_weights(), moved)


def test_calibrating_under_a_budget_starts_from_the_trained_thresholds() -> None:
    model, other = calibrated(), brightness_net()
    model.set_budget(share(50, 0))
    model.get_layer("head").set_weights(other.get_layer("head").get_weights())
    calibrate_budgets(model, images(), share(90, 40))
    np.testing.assert_array_equal(thresholds(model), thresholds(other))


# Files and copies


def test_files_hold_budgets(tmp_path: Path) -> None:
    model = calibrated()
    trained = model.get_weights()
    model.set_budget(share(90, 40))
    model.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.budget == model.budget and loaded.budgets == model.budgets
    np.testing.assert_array_equal(loaded.cost(images()), model.cost(images()))
    loaded.set_budget(share(50, 0))
    assert loaded.cost(images()).mean() == pytest.approx(share(50, 0) * STATIC)
    loaded.set_budget(None)
    assert_same_bits(loaded.get_weights(), trained)


def test_a_file_without_budgets_says_nothing_of_them(tmp_path: Path) -> None:
    assert "budgets" not in brightness_net().get_config()


def test_copies_know_budgets() -> None:
    model = calibrated()
    model.set_budget(share(90, 40))
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    folded = fold_batch_norm(model)
    for other in (copy, folded):
        assert other.budget == model.budget
        other.set_budget(share(50, 0))
        assert other.cost(images()).mean() == pytest.approx(share(50, 0) * STATIC)
        other.set_budget(None)
        np.testing.assert_array_equal(thresholds(other), [0.25, 0.75])
    np.testing.assert_array_equal(model.cost(images()).mean(), share(90, 40) * STATIC)


def test_members_of_an_ensemble_share_one_offset() -> None:
    ensemble = Ensemble.of([brightness_net(0.25), brightness_net(0.75)])
    static = ensemble.static_cost
    (row,) = calibrate_budgets(ensemble, images(), (static - 0.7 * 4) / static)
    # Ninety run the block of the first member, forty that of the second.
    assert row.offset == pytest.approx(0.155, abs=1e-6)
    ensemble.set_budget(row.budget)
    assert ensemble.cost(images()).mean() == pytest.approx(row.macs)
    opened = [int(each.sum()) for each in ensemble.routes(images()).values()]
    assert opened == [90, 40]


def test_an_export_executes_the_budget_that_is_set(tmp_path: Path) -> None:
    from tf_routing import export

    model = calibrated()
    model.set_budget(share(90, 40))
    export(model, tmp_path / "net")
    signature = tf.saved_model.load(str(tmp_path / "net")).signatures["routes"]
    np.testing.assert_array_equal(signature(tf.constant(images()))["macs"], model.cost(images()))
