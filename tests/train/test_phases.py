"""Phases of a run: all of a network, then all but its routers; a run goes on in either as if it had not stopped."""

import contextlib
import csv
import dataclasses
import io
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tests.skip_net import CLASSES, COUNT, images, labels, skip_model
from tests.train.kill_harness import untimed_log
from tf_routing import calibrate, data, zoo
from tf_routing.core.graph import deciding_layers
from tf_routing.data import Dataset, ImageSet
from tf_routing.models import RoutedModel
from tf_routing.objectives import Classification, DiverseRoutes
from tf_routing.train import checkpoint as checkpoint_module
from tf_routing.train.callbacks import Checkpoints, logged_time
from tf_routing.train.fit import fit
from tf_routing.train.phases import Phase, compile_for, phases
from tf_routing.train.recipes.recipe import Recipe, load_recipe

# What `test_resume.py` kills trains in graphs, as users do.
pytestmark = pytest.mark.usefixtures("eagerly")

# Two epochs of each phase; two steps of sixteen images in two copies.
_STEPS, _IMAGES = 2, 32
_RECIPE = Recipe(
    "tiny", "Two phases", epochs=2, batch_size=32, copies=2, learning_rate=0.005, drops=(1,), shift=2, mirror=False,
    label_smoothing=0.1, frozen_epochs=2, frozen_learning_rate=0.002,
)  # fmt: skip
_FIRST, _SECOND = Phase(0, 2, frozen=False), Phase(2, 4, frozen=True)
_TERMS = {"consistency_loss", "diversity_loss", "cost_loss", "regularization_loss", "execution_rate", "cost_weight"}
KINDS = ["linear", "conv", "recurrent"]


def test_a_recipe_has_one_phase_or_two() -> None:
    assert phases(_RECIPE) == [_FIRST, _SECOND]
    assert phases(dataclasses.replace(_RECIPE, frozen_epochs=0)) == [_FIRST]
    assert phases(load_recipe("drn_cifar")) == [Phase(0, 250, frozen=False)]


# One phase


def compiled(phase: Phase, router: str = "linear") -> RoutedModel:
    model = skip_model(router=router, target=0.5)
    compile_for(phase, model, _RECIPE, _STEPS)
    model.run_eagerly = True
    return model


def objective(model: RoutedModel) -> Any:
    return keras.saving.deserialize_keras_object(model.get_compile_config()["objective"])


def test_the_first_phase_trains_by_the_recipe_on_grouped_batches() -> None:
    model = compiled(_FIRST)
    assert type(objective(model)) is DiverseRoutes
    assert (objective(model).copies, objective(model).classification.label_smoothing) == (2, 0.1)
    rates = model.optimizer.get_config()["learning_rate"]["config"]
    assert rates["values"] == pytest.approx([0.005, 0.0005]) and rates["boundaries"] == [_STEPS - 1]
    assert all(layer.trainable for layer in model.layers)


def test_the_second_phase_trains_at_its_own_rate_on_classification_alone() -> None:
    model = compiled(_SECOND)
    assert type(objective(model)) is Classification
    assert objective(model).label_smoothing == 0.1
    assert model.objective_state == [] and model.objective_variables == []
    assert float(model.optimizer.learning_rate) == pytest.approx(0.002)
    assert (model.optimizer.momentum, model.optimizer.kernel_decay) == (_RECIPE.momentum, _RECIPE.kernel_decay)
    # What a user compiles later starts from the network's own objective.
    assert type(model.default_objective()) is DiverseRoutes


def moved(model: RoutedModel, steps: int = 2) -> dict[str, bool]:
    """Which weights training moves, by their number and the names of their layer and their own."""
    parts = [(layer.name, weight) for layer in model.layers for weight in layer.weights]
    # Numbered: the weights of a block's parts have the same names.
    variables = [(f"{number} {name} {weight.name}", weight) for number, (name, weight) in enumerate(parts)]
    before = {name: np.asarray(weight).copy() for name, weight in variables}
    for _ in range(steps):
        model.train_on_batch(images(), labels())
    return {name: bool(np.any(np.asarray(weight) != before[name])) for name, weight in variables}


@pytest.mark.parametrize("router", KINDS)
def test_routers_and_all_that_only_they_read_stay_as_they_are(router: str) -> None:
    first, second = moved(compiled(_FIRST, router)), moved(compiled(_SECOND, router))
    assert list(first) == list(second)
    routing = [name for name in second if "router" in name]
    assert len(routing) == {"linear": 3 * 4, "conv": 3 * 7, "recurrent": 3 * 2 + 5 + 3}[router]
    assert not any(second[name] for name in routing)
    assert all(second[name] for name in second if name not in routing)
    # Thresholds of recurrent routers are not for training.
    assert [name for name in routing if not first[name]] == [name for name in routing if "threshold" in name]


@pytest.mark.parametrize("router", KINDS)
def test_in_the_second_phase_decisions_are_hard_in_training(router: str) -> None:
    for phase, hard in ((_FIRST, False), (_SECOND, True)):
        model = compiled(phase, router)
        outputs = model(images(), training=True, return_outputs=True)
        decisions = np.concatenate([np.asarray(outputs[name]) for name in model.decision_names], axis=1)
        assert bool(np.isin(decisions, (0, 1)).all()) == hard
        if hard:
            # And those that it takes at inference.
            np.testing.assert_array_equal(decisions, np.concatenate(list(model.routes(images()).values()), axis=1))


def test_a_network_without_routers_trains_all_of_itself_in_both_phases() -> None:
    image = keras.Input((6, 6, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3, name="conv")(image))
    model = RoutedModel(image, keras.layers.Dense(CLASSES, "softmax", name="head")(features))
    compile_for(_SECOND, model, _RECIPE, _STEPS)
    model.run_eagerly = True
    assert all(moved(model).values())


# Whole runs


def digits() -> Dataset:
    """A few of the handwritten digits."""
    whole = data.load("digits")
    few = {name: ImageSet(part.images[:count], part.labels[:count]) for name, part, count in
           (("train", whole.train, _IMAGES), ("test", whole.test, COUNT))}  # fmt: skip
    return whole._replace(**few)


def network(classes: int = 10, input_shape: tuple[int, ...] = (32, 32, 3)) -> RoutedModel:
    """A network whose routers run each block for half of the digits at first, which is more than its target."""
    model = skip_model(shape=input_shape, classes=classes, target=0.2)
    calibrate(model, digits().test.images / 255, rate=0.5)
    return model


@pytest.fixture(scope="module", autouse=True)
def _small_zoo() -> Any:
    def instead(*_: Any, classes: int, input_shape: tuple[int, int, int], **__: Any) -> RoutedModel:
        return network(classes, input_shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "get", instead)
        yield


def run(output: Path, recipe: Recipe = _RECIPE) -> tuple[dict[str, Any], str]:
    """Trains, and returns the record and what was printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        record = fit("drn_resnet32", digits(), recipe, output, count_routes=True)
    return record, printed.getvalue()


def rows(output: Path) -> list[dict[str, str]]:
    with open(output / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def checkpoint(output: Path, epoch: int) -> dict[str, np.ndarray]:
    with np.load(output / "checkpoints" / f"step_{epoch * _STEPS:08d}.npz") as saved:
        return dict(saved)


class Whole(NamedTuple):
    """A run that nothing stopped, with all its checkpoints."""

    output: Path
    record: dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    output = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        # All checkpoints stay, to go on from.
        patch.setattr(checkpoint_module, "_KEPT", 9)
        return Whole(output, run(output)[0])


def test_the_log_holds_the_rows_of_both_phases(whole: Whole) -> None:
    log = rows(whole.output)
    assert [(row["epoch"], row["step"]) for row in log] == [(str(n), str(n * _STEPS)) for n in (1, 2, 3, 4)]
    for row in log[:2]:
        assert all(row[name] for name in _TERMS) and all(row[f"val_{name}"] for name in _TERMS)
    for row in log[2:]:
        assert not any(row[name] or row[f"val_{name}"] for name in _TERMS)
        assert float(row["loss"]) == pytest.approx(float(row["classification_loss"]), rel=1e-5)
    assert all(float(row["accuracy"]) <= 1 for row in log)


def test_the_weight_of_the_cost_follows_from_epoch_to_epoch(whole: Whole) -> None:
    first, second = rows(whole.output)[:2]
    assert float(first["execution_rate"]) > 0.2
    assert float(first["cost_weight"]) == pytest.approx(0.05)
    assert float(second["cost_weight"]) == pytest.approx(0.05 * 1.05, rel=1e-5)


def test_the_log_counts_routes_after_each_epoch(whole: Whole) -> None:
    counts = [int(float(row["distinct_routes"])) for row in rows(whole.output)]
    assert all(1 < count <= 2**3 for count in counts)
    assert counts[-1] == whole.record["final"]["distinct_routes"]


def test_the_seconds_of_a_run_are_those_of_its_epochs(whole: Whole) -> None:
    seconds = sum(float(row["epoch_seconds"]) for row in rows(whole.output))
    assert seconds > 0
    assert whole.record["seconds"] == logged_time(whole.output / "log.csv").seconds == round(seconds, 1)
    assert whole.record["processor_seconds"] == logged_time(whole.output / "log.csv").processor_seconds > 0
    assert logged_time(whole.output / "none.csv") == (0, 0)


def test_the_parameters_are_counted_with_the_frozen_ones(whole: Whole) -> None:
    model = network()
    assert whole.record["final"]["parameters"] == sum(np.prod(each.shape) for each in model.trainable_weights)
    assert whole.record["final"]["macs"] == model.static_cost


@pytest.mark.parametrize(("start", "end", "all_move"), [(1, 2, True), (2, 3, False), (3, 4, False)])
def test_epochs_of_the_second_phase_move_all_but_the_routers(
    whole: Whole, start: int, end: int, all_move: bool
) -> None:
    model, before, after = network(), checkpoint(whole.output, start), checkpoint(whole.output, end)
    frozen = {id(weight) for layer in deciding_layers(model) for weight in layer.weights}
    assert len(frozen) == 3 * 4
    for number, variable in enumerate(model.variables):
        same = np.array_equal(before[f"{number:05d}"], after[f"{number:05d}"])
        # Seeds of draws that nothing draws stay.
        if variable.dtype == "float32":
            assert same == (id(variable) in frozen and not all_move), variable.path


def test_the_saved_network_is_the_trained_one(whole: Whole) -> None:
    with warnings.catch_warnings():
        # Such as that the optimizer's variables are not the model's.
        warnings.simplefilter("error", UserWarning)
        model = keras.saving.load_model(whole.output / "model.keras")
    test = digits().test
    correct = model.predict(test.images / 255, verbose=0).argmax(axis=1) == test.labels
    assert correct.mean() == pytest.approx(whole.record["final"]["accuracy"])


def interruption(frozen: bool, step: int) -> Callable[..., None]:
    """Stops a run after a step of one of its phases."""

    def stop(callback: keras.callbacks.Callback, batch: int, logs: dict[str, Any] | None = None) -> None:
        model = callback.model
        if model.get_layer("router_1").trainable != frozen and int(model.optimizer.iterations) == step:
            raise KeyboardInterrupt

    return stop


def assert_as_whole(output: Path, record: dict[str, Any], whole: Whole) -> None:
    """Checks that a run in pieces left what the one in one piece left."""
    assert record["final"] == whole.record["final"]
    assert untimed_log(whole.output) == untimed_log(output)
    assert record["seconds"] == round(sum(float(row["epoch_seconds"]) for row in rows(output)), 1)
    expected, found = checkpoint(whole.output, 4), checkpoint(output, 4)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_run_that_stopped_at_the_start_of_the_second_phase_goes_on_as_if_it_had_not(
    whole: Whole, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", interruption(frozen=True, step=1))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2"]
    record, printed = run(tmp_path)
    assert printed.count("continuing at step") == 1 and f"continuing at step {2 * _STEPS}\n" in printed
    assert record["continued_at_step"] == [2 * _STEPS]
    assert_as_whole(tmp_path, record, whole)


def killed(whole: Whole, output: Path, done: int) -> None:
    """Leaves what a run leaves that was killed in the epoch after `done`, its log one row ahead of its checkpoints."""
    shutil.copytree(whole.output, output, dirs_exist_ok=True)
    (output / "model.keras").unlink()
    for epoch in range(done + 1, 5):
        (output / "checkpoints" / f"step_{epoch * _STEPS:08d}.npz").unlink()
    lines = (output / "log.csv").read_text("utf-8").splitlines(keepends=True)
    (output / "log.csv").write_text("".join(lines[: done + 2]), "utf-8")
    unfinished = {key: value for key, value in whole.record.items() if key not in ("final", "class_names")}
    (output / "run.json").write_text(json.dumps(unfinished), "utf-8")


# In the first phase a run goes on as one that has no other, which `test_resume.py` kills at any time.
@pytest.mark.parametrize("done", [pytest.param(1, marks=pytest.mark.heavy), 3, 4])
def test_a_run_that_was_killed_goes_on_as_if_it_had_not(whole: Whole, done: int, tmp_path: Path) -> None:
    killed(whole, tmp_path, done)
    record, printed = run(tmp_path)
    assert printed.count("continuing at step") == 1 and f"continuing at step {done * _STEPS}\n" in printed
    assert record["continued_at_step"] == [done * _STEPS]
    assert_as_whole(tmp_path, record, whole)


def test_other_phases_are_another_run(whole: Whole) -> None:
    with pytest.raises(ValueError, match="holds a run with other arguments: .*frozen_epochs was 2, now 3"):
        run(whole.output, dataclasses.replace(_RECIPE, frozen_epochs=3))
