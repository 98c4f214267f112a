"""`fit` adapts the weight of the cost after each epoch, and the next epoch trains with it, on TensorFlow and on JAX."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.skip_net import COUNT, MACS, images, labels, skip_model, soft_routes
from tests.snippets import run_snippet
from tf_routing.models import Ensemble, RoutedModel
from tf_routing.train.checkpoint import restore_checkpoint, save_checkpoint

# With a target below what runs the weight rises.
START, EPOCHS, TARGET = 0.05, 3, 0.01


def compiled(rate: float = 0.0, seed: int = 0, target: float = TARGET, **arguments: Any) -> RoutedModel:
    model = skip_model(seed, copies=2, target=target)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), **arguments)
    return model


def train(model: RoutedModel, epochs: int = 1, **arguments: Any) -> dict[str, list[float]]:
    fit = {"batch_size": COUNT, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(images(), labels(), epochs=epochs, **fit).history


def weight(model: RoutedModel) -> float:
    return float(model.objective_state[0])


def shapes(model: RoutedModel) -> list[list[tuple[int, ...]]]:
    return [[tuple(each.shape) for each in part] for part in (model.trainable_variables, model.non_trainable_variables)]


def report() -> dict[str, Any]:
    """What epochs do that train nothing (so that what runs stays the same), as plain numbers."""
    model, seen = compiled(), []
    own = shapes(model)
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(weight(model)))
    logs = train(model, EPOCHS, validation_data=(images(), labels()), callbacks=[watch])
    untouched = shapes(model) == own
    evaluated = model.evaluate(images(), labels(), batch_size=COUNT, verbose=0, return_dict=True)
    macs = np.array([each[0] for each in MACS.values()])
    routes, hard = soft_routes(model, images()), np.concatenate(list(model.routes(images()).values()), axis=1)
    return {
        "backend": keras.backend.backend(),
        "share": float((routes @ (macs / macs.sum())).mean()),
        "rate": float((routes >= 0.5).mean()),
        "hard_share": float((hard @ (macs / macs.sum())).mean()),
        "hard_rate": float(hard.mean()),
        "logs": logs,
        "seen": seen,
        "evaluated": evaluated,
        "untouched": untouched,
    }


# By default `tests/train/test_jax_fit.py` trains a net of each family on JAX.
@pytest.fixture(scope="module", params=["tensorflow", pytest.param("jax", marks=pytest.mark.heavy)])
def facts(request: pytest.FixtureRequest) -> dict[str, Any]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == keras.backend.backend():
        return json.loads(json.dumps(report()))
    code = "import json; from tests.models.test_adaptation import report; print(json.dumps(report()))"
    found = json.loads(run_snippet(code, backend=request.param).splitlines()[-1])
    assert found["backend"] == request.param
    return found


def weights(first: int, count: int) -> Any:
    """The weights of so many epochs, counted from 0."""
    return pytest.approx([START * 1.05**epoch for epoch in range(first, first + count)], rel=1e-5)


def test_an_epoch_trains_with_what_the_epochs_before_made_of_the_weight(facts: dict[str, Any]) -> None:
    logs = facts["logs"]
    assert facts["rate"] > TARGET and logs["execution_rate"] == pytest.approx([facts["rate"]] * EPOCHS, rel=1e-6)
    assert logs["cost_weight"] == weights(0, EPOCHS)
    assert [cost / facts["share"] for cost in logs["cost_loss"]] == weights(0, EPOCHS)


def test_callbacks_see_the_adapted_weight(facts: dict[str, Any]) -> None:
    assert facts["seen"] == weights(1, EPOCHS)


def test_validation_uses_the_weight_of_its_epoch_and_evaluation_the_last(facts: dict[str, Any]) -> None:
    evaluated = facts["evaluated"]
    assert facts["logs"]["val_cost_weight"] == weights(0, EPOCHS)
    assert [evaluated["cost_weight"]] == weights(EPOCHS, 1)
    # Decisions are hard there.
    assert evaluated["execution_rate"] == pytest.approx(facts["hard_rate"], rel=1e-6)
    assert [evaluated["cost_loss"] / facts["hard_share"]] == weights(EPOCHS, 1)


def test_the_weight_is_no_part_of_the_model(facts: dict[str, Any]) -> None:
    assert facts["untouched"]


def test_what_is_measured_is_no_part_of_the_loss(facts: dict[str, Any]) -> None:
    logs = facts["logs"]
    terms = [name for name in logs if name.endswith("_loss") and not name.startswith("val_")]
    assert len(terms) == 5
    assert logs["loss"] == pytest.approx(np.sum([logs[name] for name in terms], axis=0).tolist(), rel=1e-5)


def test_the_weight_is_in_no_count_and_no_slot_of_the_optimizer() -> None:
    model, plain = compiled(rate=0.1, run_eagerly=True), skip_model()
    plain.compile(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=True)
    for each in (model, plain):
        train(each)
    assert model.count_params() == plain.count_params()
    assert [tuple(each.shape) for each in model.variables] == [tuple(each.shape) for each in plain.variables]
    assert len(model.optimizer.variables) == len(plain.optimizer.variables)
    assert not {id(each) for each in model.objective_state} & {id(each) for each in model.variables}
    assert plain.objective_state == []


# Ways to hand over callbacks


def single() -> keras.callbacks.Callback:
    return keras.callbacks.LambdaCallback()


WAYS: dict[str, Callable[[RoutedModel], Any]] = {
    "none": lambda model: None,
    "empty": lambda model: [],
    "single": lambda model: single(),
    "list": lambda model: [single(), single()],
    "tuple": lambda model: (single(), single()),
    "nested": lambda model: [single(), [single()]],
    "callback_list": lambda model: keras.callbacks.CallbackList([single()], add_history=True, model=model, epochs=2),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_weight_is_adapted_once_per_epoch_however_callbacks_are_given(way: str) -> None:
    model = compiled(run_eagerly=True)
    train(model, 2, callbacks=WAYS[way](model))
    assert weight(model) == pytest.approx(START * 1.05**2, rel=1e-6)


def test_a_list_of_callbacks_that_is_used_again_adapts_once_per_epoch() -> None:
    model = compiled(run_eagerly=True)
    callbacks = keras.callbacks.CallbackList([single()], add_history=True, model=model)
    for _ in range(2):
        train(model, callbacks=callbacks)
    assert weight(model) == pytest.approx(START * 1.05**2, rel=1e-6)


def test_the_callers_list_stays_as_it_is() -> None:
    model, callbacks = compiled(run_eagerly=True), [single()]
    train(model, callbacks=callbacks)
    assert len(callbacks) == 1 and weight(model) == pytest.approx(START * 1.05, rel=1e-6)


def test_a_model_with_a_plain_loss_has_nothing_to_adapt() -> None:
    model = skip_model(target=0.01)
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", run_eagerly=True)
    assert set(train(model, 2)) == {"loss"}
    assert model.objective_state == []


def test_every_member_of_an_ensemble_adapts_by_its_own_rate() -> None:
    members = [skip_model(seed, copies=2, target=target) for seed, target in enumerate((TARGET, 1.0))]
    model = Ensemble.of(members)
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    train(model)
    assert [float(each) for each in model.objective_state] == pytest.approx([START * 1.05, START * 0.95], rel=1e-6)


# Checkpoints


def everything(model: RoutedModel) -> list[np.ndarray]:
    parts = (model.variables, model.objective_state, model.optimizer.variables)
    return [np.asarray(each) for part in parts for each in part]


def test_a_checkpoint_brings_the_weight_back_and_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    model = compiled(rate=0.2, run_eagerly=True)
    train(model, 2)
    save_checkpoint(model, tmp_path, epoch=2, step=2)
    restored = compiled(rate=0.2, seed=5, run_eagerly=True)
    assert weight(restored) == pytest.approx(START)
    assert restore_checkpoint(restored, tmp_path) == (2, 2)
    assert weight(restored) == weight(model) == pytest.approx(START * 1.05**2, rel=1e-6)
    logs = [train(each, 2)["cost_weight"] for each in (model, restored)]
    assert logs[0] == logs[1] == pytest.approx([START * 1.05**2, START * 1.05**3], rel=1e-5)
    for value, other in zip(everything(model), everything(restored), strict=True):
        np.testing.assert_array_equal(value, other)


def test_a_checkpoint_without_a_target_belongs_to_another_model(tmp_path: Path) -> None:
    plain = skip_model()
    plain.compile(keras.optimizers.SGD(0.0, momentum=0.9))
    save_checkpoint(plain, tmp_path, epoch=1, step=1)
    with pytest.raises(ValueError, match="belongs to another model"):
        restore_checkpoint(compiled(), tmp_path)
