"""Weights of the objective's own train, resume and are no part of the model, on TensorFlow and on JAX."""

import importlib.util
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.gated_net import CATEGORIES, COUNT, WEIGHTS, category_step, gated_model, images, labels
from tests.snippets import run_snippet
from tf_routing.models import RoutedModel
from tf_routing.train.checkpoint import restore_checkpoint, save_checkpoint

RATE = 0.5
HEADS = [(32, 3), (3,), (32, 3), (3,)]


def heads(model: RoutedModel) -> list[np.ndarray]:
    return [np.asarray(variable).copy() for variable in model.objective_variables]


def compiled(seed: int = 0, **arguments: Any) -> RoutedModel:
    model = gated_model(seed)
    model.compile(keras.optimizers.SGD(RATE, momentum=0.9), **arguments)
    return model


def train(model: RoutedModel, epochs: int = 1, **arguments: Any) -> dict[str, list[float]]:
    fit = {"batch_size": COUNT, "shuffle": False, "verbose": 0, **arguments}
    return model.fit(images(), labels(), epochs=epochs, **fit).history


def states(model: RoutedModel, training: bool = False) -> list[np.ndarray]:
    outputs = model(images(), training=training, return_outputs=True)
    return [np.asarray(outputs[f"{name}_state"]) for name in WEIGHTS]


def category_loss(model: RoutedModel) -> float:
    own = heads(model)
    pairs = zip(states(model), own[::2], own[1::2], WEIGHTS.values(), strict=True)
    return sum(category_step(*each)[0] for each in pairs)


def first_step(model: RoutedModel) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Takes one step; returns how far it moved the first head, and how far it should have."""
    # The noise comes after the first controller's state, so that any forward pass shows it.
    state, before = states(model, training=True)[0], heads(model)[:2]
    expected = [-RATE * each for each in category_step(state, *before, WEIGHTS["controller_1"])[1:]]
    train(model)
    return [new - old for new, old in zip(heads(model)[:2], before, strict=True)], expected


def report() -> dict[str, Any]:
    """What training does on this process's backend, as plain numbers."""
    model = compiled()
    own = [tuple(each.shape) for each in model.trainable_variables]
    moved, expected = first_step(model)
    before = heads(model)
    seen: list[np.ndarray] = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(heads(model)[0]))
    logs = train(model, epochs=3, validation_data=(images(), labels()), callbacks=[watch])
    evaluated = model.evaluate(images(), labels(), batch_size=COUNT, verbose=0, return_dict=True)
    by_hand, trained = category_loss(model), heads(model)
    model.train_on_batch(images(), labels())
    stepped = category_loss(model)
    model.reset_metrics()
    return {
        "backend": keras.backend.backend(),
        "first": [np.abs(np.subtract(a, b)).max().item() for a, b in zip(moved, expected, strict=True)],
        "size": [np.abs(each).max().item() for each in expected],
        "moved": [np.abs(a - b).max().item() for a, b in zip(before, trained, strict=True)],
        "seen": [np.abs(each - trained[0]).max().item() for each in seen],
        "slots": [list(each.shape) for each in model.optimizer.variables[2:]],
        "still": [not np.any(np.asarray(each)) for each in model.optimizer.variables[-len(HEADS) :]],
        "own": own,
        "own_after": [tuple(each.shape) for each in model.trainable_variables],
        "fit": logs,
        "evaluated": evaluated,
        "by_hand": by_hand,
        "stepped": stepped,
        "tested": model.test_on_batch(images(), labels(), return_dict=True)["category_loss"],
    }


# By default `tests/train/test_jax_fit.py` trains a net of each family on JAX.
@pytest.fixture(scope="module", params=["tensorflow", pytest.param("jax", marks=pytest.mark.heavy)])
def facts(request: pytest.FixtureRequest) -> dict[str, Any]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    if request.param == keras.backend.backend():
        return json.loads(json.dumps(report()))
    code = "import json; from tests.models.test_objective_variables import report; print(json.dumps(report()))"
    found = json.loads(run_snippet(code, backend=request.param).splitlines()[-1])
    assert found["backend"] == request.param
    return found


def test_a_step_moves_a_head_by_its_gradient(facts: dict[str, Any]) -> None:
    assert min(facts["size"]) > 1e-3
    assert max(facts["first"]) < 1e-5


def test_fit_goes_on_moving_every_head(facts: dict[str, Any]) -> None:
    assert min(facts["moved"]) > 1e-3


def test_callbacks_see_the_heads_of_their_epoch(facts: dict[str, Any]) -> None:
    first, second, last = facts["seen"]
    assert first > second > last == 0


def test_the_optimizer_has_slots_for_heads_behind_those_of_the_model(facts: dict[str, Any]) -> None:
    assert facts["slots"] == [*facts["own"], *map(list, HEADS)]
    assert not any(facts["still"])


def test_heads_are_none_of_the_models_own_after_training(facts: dict[str, Any]) -> None:
    assert facts["own_after"] == facts["own"]
    assert [32, 3] not in facts["own"]


def test_evaluation_uses_the_trained_heads(facts: dict[str, Any]) -> None:
    assert facts["evaluated"]["category_loss"] == pytest.approx(facts["by_hand"], rel=1e-4)
    assert facts["fit"]["val_category_loss"][-1] == pytest.approx(facts["by_hand"], rel=1e-4)
    assert facts["tested"] == pytest.approx(facts["stepped"], rel=1e-4)
    assert (
        abs(facts["stepped"] - facts["by_hand"]) > 1e-3 < abs(facts["fit"]["val_category_loss"][0] - facts["by_hand"])
    )


def test_every_term_is_logged_and_they_sum_to_the_loss(facts: dict[str, Any]) -> None:
    terms = {"classification_loss", "category_loss", "execution_rate_loss", "flops_loss"}
    assert set(facts["evaluated"]) == {"loss", *terms}
    assert set(facts["fit"]) == {*facts["evaluated"], *(f"val_{name}" for name in facts["evaluated"])}
    evaluated = facts["evaluated"]
    assert evaluated["loss"] == pytest.approx(sum(evaluated[name] for name in terms), rel=1e-5)


def test_heads_are_in_no_count_of_the_model() -> None:
    model = gated_model()
    shapes = [tuple(each.shape) for each in model.variables]
    parameters = model.count_params()
    model.compile(run_eagerly=True)
    train(model)
    assert [each.shape for each in heads(model)] == HEADS
    assert model.count_params() == parameters
    assert [tuple(each.shape) for each in model.variables] == shapes
    assert not {id(each) for each in model.objective_variables} & {id(each) for each in model.variables}
    assert (32, max(CATEGORIES) + 1) not in shapes


def test_heads_are_none_of_the_weights_of_a_saved_model(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    model = compiled(run_eagerly=True)
    train(model)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extract("model.weights.h5", tmp_path)
    sizes: dict[str, int] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes[name] = item.size

    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(note)
    # The optimizer's, and the heads in their own place, are for those who train on.
    beside = ("optimizer/", "_training_state/")
    assert sum(size for name, size in sizes.items() if not name.startswith(beside)) == model.count_params()


def test_heads_are_not_in_an_export(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from tf_routing.exporting.saved_model import export

    model = compiled(run_eagerly=True)
    train(model)
    export(model, tmp_path / "export")
    shapes = [tuple(each.shape) for each in tf.saved_model.load(str(tmp_path / "export")).variables]
    assert (3, 3, 3, 4) in shapes
    assert (32, 3) not in shapes


def test_a_loaded_model_trains_on(tmp_path: Path) -> None:
    model = compiled(run_eagerly=True)
    train(model, epochs=2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.run_eagerly = True
    assert [each.shape for each in heads(again)] == HEADS
    for loaded, other in zip(heads(again), heads(model), strict=True):
        np.testing.assert_array_equal(loaded, other)
    for slot, other in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(slot), np.asarray(other))
    before = heads(again)
    logs = train(again)
    assert int(again.optimizer.iterations) == 3
    assert np.isfinite(logs["loss"]).all()
    assert all(np.abs(new - old).max() > 1e-3 for new, old in zip(heads(again), before, strict=True))


def test_a_model_loaded_for_inference_has_no_heads(tmp_path: Path) -> None:
    model = compiled()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert again.objective_variables == []
    np.testing.assert_allclose(np.asarray(again(images())), np.asarray(model(images())), rtol=1e-6)


def test_a_checkpoint_brings_heads_back_and_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    model = compiled(run_eagerly=True)
    train(model, epochs=2)
    save_checkpoint(model, tmp_path, epoch=2, step=2)
    restored = compiled(seed=5, run_eagerly=True)
    assert not np.array_equal(heads(restored)[0], heads(model)[0])
    assert restore_checkpoint(restored, tmp_path) == (2, 2)
    for _ in range(2):
        kept = [[*each.variables, *each.objective_variables, *each.optimizer.variables] for each in (restored, model)]
        for variable, other in zip(*kept, strict=True):
            np.testing.assert_array_equal(np.asarray(variable), np.asarray(other), err_msg=variable.name)
        for each in (restored, model):
            train(each)


def test_a_checkpoint_without_heads_belongs_to_another_model(tmp_path: Path) -> None:
    plain = gated_model(categories=None)
    plain.compile(keras.optimizers.SGD(RATE, momentum=0.9))
    save_checkpoint(plain, tmp_path, epoch=1, step=1)
    with pytest.raises(ValueError, match="belongs to another model"):
        restore_checkpoint(compiled(), tmp_path)


@pytest.fixture
def _mixed_float16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("_mixed_float16")
def test_a_scaled_loss_moves_heads_by_their_gradient() -> None:
    model = compiled(run_eagerly=True)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.get_layer("block_1").compute_dtype == "float16"
    assert {each.dtype for each in model.objective_variables} == {"float32"}
    before = [np.asarray(each).copy() for each in model.trainable_variables]
    moved, expected = first_step(model)
    assert int(model.optimizer.inner_optimizer.iterations) == 1
    for actual, wanted in zip(moved, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=2e-3 * np.abs(wanted).max())
    assert all(np.isfinite(np.asarray(each)).all() for each in model.variables)
    assert any(np.abs(np.asarray(new) - old).max() > 1e-3 for new, old in zip(model.variables, before, strict=False))
    assert np.isfinite(train(model, epochs=3)["loss"]).all()
