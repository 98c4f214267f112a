"""A run leaves everything in its folder, and one that stopped goes on as if it had not."""

import contextlib
import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tests.data.prepared_data import load_or_skip
from tests.few_layers import few_layers
from tests.train.kill_harness import untimed_log
from tf_routing import zoo
from tf_routing.cli import training_request
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.train import fit as fit_module
from tf_routing.train import training_task
from tf_routing.train.callbacks import Checkpoints
from tf_routing.train.fit import fit
from tf_routing.train.phases import compile_for, phases
from tf_routing.train.recipes.recipe import Recipe

# Runs that are killed in `test_resume.py` train in graphs, as users do.
pytestmark = pytest.mark.usefixtures("eagerly")

_STEPS = 2
_RECIPE = Recipe("tiny", "Two epochs", epochs=2, batch_size=32, learning_rate=0.05, drops=(1,), shift=2)


def noise(count: int) -> ImageSet:
    rng = np.random.default_rng(count)
    return ImageSet(rng.integers(0, 256, (count, 32, 32, 3)).astype("uint8"), rng.integers(0, 3, count))


_DATASET = Dataset("noise", noise(64), noise(16), ["a", "b", "c"], mirrors=True)


@pytest.fixture(scope="module", autouse=True)
def _few_layers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        yield


def run(output: Path, **changes: Any) -> tuple[dict[str, Any], str]:
    """Trains, and returns the record and what was printed."""
    arguments: dict[str, Any] = {"architecture": "basecnn_2cc", "dataset": _DATASET, "recipe": _RECIPE, **changes}
    names = [arguments.pop(name) for name in ("architecture", "dataset", "recipe")]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        record = fit(*names, output, **{"model_arguments": {"width_multiplier": 0.125}, **arguments})
    return record, printed.getvalue()


def interruption(after_step: int) -> Callable[..., None]:
    def stop(callback: keras.callbacks.Callback, batch: int, logs: dict[str, Any] | None = None) -> None:
        if int(callback.model.optimizer.iterations) == after_step:
            raise KeyboardInterrupt

    return stop


class Runs(NamedTuple):
    """A run, and one that stopped in its second epoch and went on."""

    whole: Path
    record: dict[str, Any]
    stopped: Path
    rows_when_stopped: list[dict[str, str]]
    continued_record: dict[str, Any]
    printed: str


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    whole, stopped = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("stopped")
    record, _ = run(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", interruption(_STEPS + 1))
        with pytest.raises(KeyboardInterrupt):
            run(stopped)
    return Runs(whole, record, stopped, rows(stopped), *run(stopped))


def rows(output: Path) -> list[dict[str, str]]:
    with open(output / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def written_record(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text("utf-8"))


def weights(output: Path) -> list[np.ndarray]:
    return keras.saving.load_model(output / "model.keras").get_weights()


def state(output: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in output.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_run_leaves_its_files(runs: Runs) -> None:
    expected = {"model.keras", "checkpoints", "log.csv", "tensorboard", "run.json", "routing.png"}
    assert {path.name for path in runs.whole.iterdir()} == expected
    assert list((runs.whole / "tensorboard").rglob("events.out.tfevents.*"))
    names = sorted(path.name for path in (runs.whole / "checkpoints").iterdir())
    assert names == ["step_00000002.npz", "step_00000004.npz"]


def test_the_record_says_what_was_asked_and_what_came_out(runs: Runs) -> None:
    record = written_record(runs.whole)
    assert record == runs.record
    assert record["arguments"]["model"] == "basecnn_2cc"
    assert record["arguments"]["recipe"] == json.loads(json.dumps(_RECIPE.describe()))
    assert record["continued_at_step"] == []
    assert record["class_names"] == ["a", "b", "c"]
    assert {"accuracy", "loss", "parameters", "macs"} <= set(record["final"])


def test_the_log_has_one_row_per_epoch(runs: Runs) -> None:
    log = rows(runs.whole)
    assert [(row["epoch"], row["step"]) for row in log] == [("1", "2"), ("2", "4")]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "epoch_seconds", "processor_seconds"} <= set(log[0])
    assert float(log[-1]["val_accuracy"]) == pytest.approx(runs.record["final"]["accuracy"])


def test_the_saved_network_is_the_trained_one(runs: Runs) -> None:
    model = keras.saving.load_model(runs.whole / "model.keras")
    correct = model.predict(_DATASET.test.images / 255, verbose=0).argmax(axis=1) == _DATASET.test.labels
    assert np.mean(correct) == pytest.approx(runs.record["final"]["accuracy"])


def test_a_continued_run_equals_the_uninterrupted_one_bit_for_bit(runs: Runs) -> None:
    for value, other in zip(weights(runs.whole), weights(runs.stopped), strict=True):
        np.testing.assert_array_equal(value, other)


def test_a_continued_run_says_where_it_went_on(runs: Runs) -> None:
    assert f"continuing at step {_STEPS}\n" in runs.printed
    assert runs.continued_record["continued_at_step"] == [_STEPS]
    assert written_record(runs.stopped) == runs.continued_record
    assert runs.continued_record["final"] == runs.record["final"]


def test_a_continued_log_has_every_row_once(runs: Runs) -> None:
    assert [row["epoch"] for row in runs.rows_when_stopped] == ["1"]
    assert [row["epoch"] for row in rows(runs.stopped)] == ["1", "2"]
    assert untimed_log(runs.whole) == untimed_log(runs.stopped)


def test_a_run_that_stopped_after_its_last_epoch_is_finished(runs: Runs, tmp_path: Path) -> None:
    recipe = dataclasses.replace(_RECIPE, epochs=1, drops=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_task, "save_results", interruption_at_the_end)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, architecture="basecnn", recipe=recipe)
    record, printed = run(tmp_path, architecture="basecnn", recipe=recipe)
    assert f"continuing at step {_STEPS}\n" in printed
    assert "accuracy" in record["final"]
    assert [row["epoch"] for row in rows(tmp_path)] == ["1"]
    assert not (tmp_path / "routing.png").exists()


def test_a_finished_run_gets_more_epochs_and_then_begins_anew(tmp_path: Path) -> None:
    # A rate that does not know how many epochs there are: then nothing may differ from training them at once.
    one = dataclasses.replace(_RECIPE, epochs=1, drops=())
    two = dataclasses.replace(one, epochs=2)
    whole, _ = run(tmp_path / "whole", architecture="basecnn", recipe=two)
    first, _ = run(tmp_path / "run", architecture="basecnn", recipe=one)
    record, printed = run(tmp_path / "run", architecture="basecnn", recipe=two)
    assert "was asked for 1 epochs and gets 2" in printed and f"continuing at step {_STEPS}\n" in printed
    assert record["final"] == whole["final"] != first["final"]
    assert record["epochs_before"] == [1] and record["arguments"] == whole["arguments"]
    assert [row["epoch"] for row in rows(tmp_path / "run")] == ["1", "2"]
    for value, other in zip(weights(tmp_path / "whole"), weights(tmp_path / "run"), strict=True):
        np.testing.assert_array_equal(value, other)
    with pytest.raises(ValueError, match="`epochs` must be at least 2, .* Received: epochs=1"):
        run(tmp_path / "run", architecture="basecnn", recipe=one)
    (tmp_path / "run" / "thesis.txt").write_text("mine", "utf-8")
    anew, printed = run(tmp_path / "run", architecture="basecnn", recipe=one, restart=True)
    assert "continuing" not in printed and anew["final"] == first["final"] and "epochs_before" not in anew
    assert [row["epoch"] for row in rows(tmp_path / "run")] == ["1"]
    assert (tmp_path / "run" / "thesis.txt").read_text("utf-8") == "mine"


def interruption_at_the_end(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_finished_run_does_nothing(runs: Runs) -> None:
    before = state(runs.whole)
    record, printed = run(runs.whole)
    assert "is finished; nothing to do" in printed
    assert record == runs.record
    assert state(runs.whole) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"model_arguments": {"width_multiplier": 0.25}}, "width_multiplier was 0.125, now 0.25"),
        ({"model_arguments": {"width_multiplier": 0.125, "hidden": 8}}, "hidden was None, now 8"),
        ({"architecture": "basecnn"}, "model was 'basecnn_2cc', now 'basecnn'"),
        ({"recipe": dataclasses.replace(_RECIPE, shift=1)}, "shift was"),
        ({"dataset": _DATASET._replace(name="other")}, "dataset was 'noise', now 'other'"),
        ({"dataset": _DATASET._replace(test=noise(8))}, "test_images was 16, now 8"),
    ],
)
def test_other_arguments_are_named(changes: dict[str, Any], message: str, runs: Runs) -> None:
    before = state(runs.whole)
    with pytest.raises(ValueError, match=f"holds a run with other arguments: .*{message}"):
        run(runs.whole, **changes)
    assert state(runs.whole) == before


def test_a_folder_with_something_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and holds no run"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "`seed` must be .*Received: .*-1"),
        ({"architecture": "basecn_2cc"}, "Did you mean: .*basecnn_2cc"),
        (
            {"model_arguments": {"width_multiplier": 0.0}},
            "`width_multiplier` must be a positive number. Received: width_multiplier=0.0",
        ),
        ({"recipe": dataclasses.replace(_RECIPE, batch_size=65)}, "`batch_size` must be at most 64 for .*: 65"),
        ({"recipe": dataclasses.replace(_RECIPE, image_size=64)}, "`image_size` must .* 32 by 32. Received: .*64"),
        ({"recipe": dataclasses.replace(_RECIPE, random_size_crop=True)}, "`random_size_crop` must be False"),
    ],
)
def test_a_wrong_argument_is_named_and_leaves_no_folder(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_optimizer_is_the_recipes(nesterov: bool) -> None:
    recipe = dataclasses.replace(_RECIPE, momentum=0.8, kernel_decay=0.01, nesterov=nesterov)
    model = zoo.get("basecnn", width_multiplier=0.125)
    compile_for(phases(recipe)[0], model, recipe, _STEPS)
    optimizer = model.optimizer
    assert (optimizer.nesterov, optimizer.momentum, optimizer.kernel_decay) == (nesterov, 0.8, 0.01)


# By default `test_evaluate.py` trains on a few pictures that are read from files.
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("architecture", "width_multiplier", "image_size"), [("basecnn_2cc", 0.125, 32), ("resnet50_2cc", 0.0625, 64)]
)
def test_photographs_that_are_read_from_files(
    architecture: str, width_multiplier: float, image_size: int, tmp_path: Path
) -> None:
    photographs = load_or_skip("imagenette224/subset")
    recipe = Recipe(
        "photographs", "One epoch", epochs=1, batch_size=100, learning_rate=0.05, shift=0, image_size=image_size,
        random_size_crop=True, nesterov=True,
    )  # fmt: skip
    changes = {"architecture": architecture, "model_arguments": {"width_multiplier": width_multiplier}}
    record, _ = run(tmp_path, dataset=photographs, recipe=recipe, **changes)
    assert (record["arguments"]["train_images"], record["arguments"]["test_images"]) == (400, 100)
    assert [row["step"] for row in rows(tmp_path)] == ["4"]
    assert (tmp_path / "routing.png").exists()
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert model.input_shape == (None, image_size, image_size, 3)
    measured = evaluate(model, photographs, 30)
    assert measured["images"] == 100
    assert measured["accuracy"] == pytest.approx(record["final"]["accuracy"])


def test_a_record_gets_one_row(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.json"
    results.write_text('[{"model": "earlier"}]', "utf-8")
    monkeypatch.setattr(training_request, "make_recipe", lambda file: _RECIPE)
    monkeypatch.setattr(fit_module.data, "load", lambda name, data_dir: _DATASET)
    words = ["fit", "--model", "basecnn_2cc", "--width_multiplier", "0.125", "--recipe", "quick"]
    words += ["--output", str(runs.whole)]
    assert main([*words, "--record", str(results)]) == 0
    earlier, row = json.loads(results.read_text("utf-8"))
    assert earlier == {"model": "earlier"}
    assert (row["model"], row["dataset"], row["recipe"], row["epochs"], row["seed"]) == (
        "basecnn_2cc", "noise", "tiny", 2, 0,
    )  # fmt: skip
    assert row["accuracy"] == runs.record["final"]["accuracy"]
    assert row["model_arguments"] == {"width_multiplier": 0.125}
    assert {"parameters", "macs", "seconds", "versions"} <= set(row)
