"""The objective of dynamic multi-path networks against Eq. 9-16 in NumPy, each term and each gradient by hand."""

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tf_routing.objectives import DynamicMultipath

BATCH, CLASSES, HIDDEN = 6, 4, 8
CATEGORIES = [2, 0, 0, 1]
MACS = {"controller_1": [5, 3], "controller_2": [2, 7, 1]}
PARTS = 18
WEIGHTS = {"controller_1": 0.25, "controller_2": 3.0}


class Batch(NamedTuple):
    """Random labels, logits, switches and states, as an objective reads them."""

    labels: np.ndarray
    logits: np.ndarray
    switches: dict[str, np.ndarray]
    states: dict[str, np.ndarray]

    @property
    def outputs(self) -> dict[str, Any]:
        states = {f"{name}_state": values for name, values in self.states.items()}
        arrays = {"logits": self.logits, "probabilities": reference.softmax(self.logits), **self.switches, **states}
        return {name: keras.ops.convert_to_tensor(values.astype("float32")) for name, values in arrays.items()}


def batch(seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(
        rng.integers(0, CLASSES, BATCH),
        rng.normal(size=(BATCH, CLASSES)),
        {name: rng.integers(0, 2, (BATCH, len(macs))).astype("float64") for name, macs in MACS.items()},
        {name: np.abs(rng.normal(size=(BATCH, HIDDEN))) for name in MACS},
    )


def built(categories: list[int] | None = CATEGORIES, **arguments: Any) -> DynamicMultipath:
    weights = None if categories is None else WEIGHTS
    values = {"target_rate": 0.6, "macs": MACS, "total_macs": PARTS, **arguments}
    objective = DynamicMultipath(categories=categories, category_weights=weights, **values)
    objective.build(batch().outputs)
    rng = np.random.default_rng(50)
    for variable in objective.variables:
        variable.assign(rng.normal(size=variable.shape))
    return objective


def values(objective: DynamicMultipath, labels: Any, outputs: dict[str, Any], weights: Any = None) -> dict[str, float]:
    return {name: float(term) for name, term in objective(labels, outputs, weights).items()}


def cross_entropy(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return -(targets * np.log(reference.softmax(scores))).sum(axis=1)


def equations(objective: DynamicMultipath, data: Batch, targets: np.ndarray, rate: float, total: int) -> dict:
    """Returns the terms of Eq. 9 to 16 computed in NumPy, with all scales 1."""
    members = np.eye(3)[CATEGORIES]
    category = sum(
        WEIGHTS[name]
        * cross_entropy(
            targets @ members,
            data.states[name] @ np.asarray(objective.heads[name].kernel) + np.asarray(objective.heads[name].bias),
        ).mean()
        for name in MACS
    )
    executed = sum((rate - data.switches[name].sum() / (BATCH * len(macs))) ** 2 for name, macs in MACS.items())
    flops = sum(data.switches[name][:, n].mean() * macs[n] for name, macs in MACS.items() for n in range(len(macs)))
    return {
        "classification_loss": cross_entropy(targets, data.logits).mean(),
        "category_loss": category,
        "execution_rate_loss": executed,
        "flops_loss": (flops / total - rate) ** 2,
    }


@pytest.mark.parametrize(("seed", "rate", "total"), [(1, 0.6, PARTS), (2, 0.3, PARTS), (3, 0.9, 31), (4, 1.0, 31)])
def test_the_terms_are_those_of_the_equations(seed: int, rate: float, total: int) -> None:
    objective, data = built(target_rate=rate, total_macs=total), batch(seed)
    terms = values(objective, data.labels, data.outputs)
    assert tuple(terms) == objective.names
    expected = equations(objective, data, np.eye(CLASSES)[data.labels], rate, total)
    assert terms == pytest.approx(expected, rel=1e-5)


def test_execution_rates_by_hand() -> None:
    switches = {"controller_1": [[1, 0], [1, 1], [0, 0], [1, 0]], "controller_2": [[1, 1, 1], [1, 1, 0]] * 2}
    outputs = batch().outputs | {name: keras.ops.array(each, "float32") for name, each in switches.items()}
    outputs["logits"] = outputs["logits"][:4]
    # z = 4/8 and 10/12.
    expected = (0.6 - 0.5) ** 2 + (0.6 - 10 / 12) ** 2
    assert values(built(None), [0, 1, 2, 3], outputs)["execution_rate_loss"] == pytest.approx(expected, rel=1e-5)
    # f = 3/4 * 5 + 1/4 * 3 + 2 + 7 + 1/2 * 1 of 18.
    assert values(built(None), [0, 1, 2, 3], outputs)["flops_loss"] == pytest.approx((14 / 18 - 0.6) ** 2, rel=1e-5)


def test_a_costly_sub_block_weighs_more_in_the_flops_term_and_not_in_the_rate() -> None:
    outputs = batch().outputs | {"controller_1": keras.ops.zeros((BATCH, 2))}
    cheap, costly = (np.tile(np.eye(3)[n], (BATCH, 1)).astype("float32") for n in (2, 1))
    terms = [
        values(built(None), batch().labels, outputs | {"controller_2": keras.ops.array(each)})
        for each in (cheap, costly)
    ]
    assert [each["flops_loss"] for each in terms] == pytest.approx([(n / 18 - 0.6) ** 2 for n in (1, 7)], rel=1e-5)
    assert terms[0]["execution_rate_loss"] == terms[1]["execution_rate_loss"]


def gradients(objective: DynamicMultipath, data: Batch, term: str, of: list[str]) -> list[np.ndarray]:
    outputs = data.outputs
    read = [outputs[name] for name in of]
    with tf.GradientTape() as tape:
        tape.watch(read)
        value = objective(data.labels, outputs)[term]
    return [np.asarray(gradient) for gradient in tape.gradient(value, read)]


def test_the_gradient_of_the_execution_rates_in_closed_form() -> None:
    data = batch(5)
    for name, gradient in zip(MACS, gradients(built(), data, "execution_rate_loss", list(MACS)), strict=True):
        count = len(MACS[name])
        slope = -2 * (0.6 - data.switches[name].mean()) / (BATCH * count)
        assert abs(slope) > 1e-3
        np.testing.assert_allclose(gradient, np.full((BATCH, count), slope), rtol=1e-4)


@pytest.mark.parametrize("total", [PARTS, 31])
def test_the_gradient_of_the_flops_term_in_closed_form(total: int) -> None:
    data = batch(6)
    share = sum(data.switches[name].mean(axis=0) @ macs for name, macs in MACS.items()) / total
    assert abs(share - 0.6) > 1e-2
    found = gradients(built(total_macs=total), data, "flops_loss", list(MACS))
    for (name, macs), gradient in zip(MACS.items(), found, strict=True):
        expected = 2 * (share - 0.6) * np.array(macs) / (total * BATCH)
        np.testing.assert_allclose(gradient, np.tile(expected, (BATCH, 1)), rtol=1e-4, err_msg=name)


def test_the_gradient_of_the_category_term_reaches_the_states() -> None:
    objective, data = built(), batch(7)
    targets = np.eye(3)[np.array(CATEGORIES)[data.labels]]
    found = gradients(objective, data, "category_loss", [f"{name}_state" for name in MACS])
    for name, gradient in zip(MACS, found, strict=True):
        kernel, bias = (np.asarray(each) for each in objective.heads[name].weights)
        slope = WEIGHTS[name] * (reference.softmax(data.states[name] @ kernel + bias) - targets) / BATCH
        np.testing.assert_allclose(gradient, slope @ kernel.T, rtol=1e-3, atol=1e-6)


def test_labels_may_be_distributions_in_every_term() -> None:
    objective, data = built(), batch(8)
    targets = np.random.default_rng(9).dirichlet(np.ones(CLASSES), BATCH)
    expected = equations(objective, data, targets, 0.6, PARTS)
    assert values(objective, targets.astype("float32"), data.outputs) == pytest.approx(expected, rel=1e-5)


def test_smoothing_changes_the_classification_term_alone() -> None:
    plain, data = built(), batch(10)
    smoothed = plain.smoothed(0.2)
    smoothed.build(data.outputs)
    for variable, other in zip(smoothed.variables, plain.variables, strict=True):
        variable.assign(other)
    terms, others = values(smoothed, data.labels, data.outputs), values(plain, data.labels, data.outputs)
    targets = 0.8 * np.eye(CLASSES)[data.labels] + 0.2 / CLASSES
    expected = cross_entropy(targets, data.logits).mean()
    assert abs(expected - others["classification_loss"]) > 1e-3
    assert terms == pytest.approx({**others, "classification_loss": expected}, rel=1e-5)


def test_scales_multiply_their_terms() -> None:
    data, plain = batch(11), built()
    scaled = built(category_scale=3.0, resource_scale=0.5, classification_scale=2.0)
    factors = {"classification_loss": 2, "category_loss": 3, "execution_rate_loss": 0.5, "flops_loss": 0.5}
    expected = {name: factors[name] * each for name, each in values(plain, data.labels, data.outputs).items()}
    assert values(scaled, data.labels, data.outputs) == pytest.approx(expected, rel=1e-6)


def test_without_categories_there_is_no_term_and_no_variable() -> None:
    objective, data = built(None), batch(12)
    assert objective.names == ("classification_loss", "execution_rate_loss", "flops_loss")
    assert tuple(values(objective, data.labels, data.outputs)) == objective.names
    assert objective.variables == [] and objective.heads == {}


def test_heads_exist_once_built() -> None:
    objective = DynamicMultipath(0.5, MACS, PARTS, CATEGORIES, WEIGHTS)
    assert objective.variables == []
    objective.build(batch().outputs)
    assert [tuple(each.shape) for each in objective.variables] == [(HIDDEN, 3), (3,)] * 2


def test_config_round_trip() -> None:
    objective, data = built(label_smoothing=0.1, category_scale=0.5, total_macs=31), batch(13)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    assert type(again) is DynamicMultipath and again.get_config() == objective.get_config()
    assert again.variables == []
    again.build(data.outputs)
    for variable, other in zip(again.variables, objective.variables, strict=True):
        variable.assign(other)
    assert values(again, data.labels, data.outputs) == values(objective, data.labels, data.outputs)


@pytest.mark.parametrize("rate", [0, -0.1, 1.1, True, float("nan"), "0.5", None])
def test_a_rate_out_of_range_is_named(rate: Any) -> None:
    with pytest.raises(ValueError, match=rf"`target_rate` must be in \(0, 1\]. Received: target_rate={rate!r}"):
        DynamicMultipath(rate, MACS, PARTS)


def test_categories_without_weights_are_named() -> None:
    with pytest.raises(ValueError, match="`category_weights` must name a weight per decision"):
        DynamicMultipath(0.5, MACS, PARTS, categories=CATEGORIES)


@pytest.mark.parametrize("table", [[0, 1, -1, 0, 1], [0, 1.5, 1, 0, 1], [0, True, 1, 0, 1]])
def test_entries_that_are_no_categories_are_shown(table: list[Any]) -> None:
    with pytest.raises(ValueError, match="`categories` must hold integers counted from 0. Received: .0, "):
        DynamicMultipath(0.5, MACS, PARTS, categories=table, category_weights=WEIGHTS)


@pytest.mark.parametrize("count", [CLASSES - 1, CLASSES + 1])
def test_categories_that_are_not_one_for_each_class_are_named(count: int) -> None:
    objective = DynamicMultipath(0.5, MACS, PARTS, categories=[0] * count, category_weights=WEIGHTS)
    with pytest.raises(ValueError, match=f"for each of {CLASSES} classes. Received: {count} categories"):
        objective.build(batch().outputs)


@pytest.mark.parametrize("smoothing", [-0.1, 1])
def test_a_smoothing_out_of_range_is_named(smoothing: float) -> None:
    with pytest.raises(ValueError, match=f"Received: label_smoothing={smoothing}"):
        DynamicMultipath(0.5, MACS, PARTS, label_smoothing=smoothing)
