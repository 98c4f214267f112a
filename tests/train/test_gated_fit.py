"""A run of a gated network: its objective's heads stop and go on with it."""

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.gated_net import CATEGORIES, gated_model
from tf_routing import zoo
from tf_routing.data import Dataset, ImageSet
from tf_routing.models import RoutedModel
from tf_routing.runs.run_record import open_record, write_record
from tf_routing.train.callbacks import Checkpoints
from tf_routing.train.fit import fit
from tf_routing.train.recipes.recipe import Recipe

pytestmark = pytest.mark.usefixtures("eagerly")

_STEPS = 2
_RECIPE = Recipe("tiny", "Two epochs", epochs=2, batch_size=16, learning_rate=0.05, shift=1, label_smoothing=0.1)


def noise(count: int) -> ImageSet:
    rng = np.random.default_rng(count)
    return ImageSet(rng.integers(0, 256, (count, 6, 6, 3)).astype("uint8"), rng.integers(0, 4, count))


_DATASET = Dataset("noise", noise(32), noise(8), ["a", "b", "c", "d"], mirrors=True)


@pytest.fixture(autouse=True)
def _small_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    def instead(*_: Any, classes: int, input_shape: tuple[int, int, int], **__: Any) -> RoutedModel:
        assert (classes, tuple(input_shape)) == (4, (6, 6, 3))
        return gated_model()

    monkeypatch.setattr(zoo, "get", instead)


def interruption(after_step: int) -> Callable[..., None]:
    def stop(callback: keras.callbacks.Callback, batch: int, logs: dict[str, Any] | None = None) -> None:
        if int(callback.model.optimizer.iterations) == after_step:
            raise KeyboardInterrupt

    return stop


def last_checkpoint(output: Path) -> dict[str, np.ndarray]:
    with np.load(output / "checkpoints" / "step_00000004.npz") as saved:
        return dict(saved)


# `test_resume.py` and `test_phases.py` check the same of networks that skip.
@pytest.mark.heavy
def test_a_continued_run_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = fit("basecnn_2cc", _DATASET, _RECIPE, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", interruption(_STEPS + 1))
        with pytest.raises(KeyboardInterrupt):
            fit("basecnn_2cc", _DATASET, _RECIPE, tmp_path / "stopped")
    continued = fit("basecnn_2cc", _DATASET, _RECIPE, tmp_path / "stopped")
    assert f"continuing at step {_STEPS}\n" in capsys.readouterr().out
    assert continued["final"] == record["final"]
    whole, stopped = last_checkpoint(tmp_path / "whole"), last_checkpoint(tmp_path / "stopped")
    assert list(whole) == list(stopped)
    for name, values in whole.items():
        np.testing.assert_array_equal(values, stopped[name], err_msg=name)
    heads = [values for values in whole.values() if values.shape == (32, max(CATEGORIES) + 1)]
    # Two heads, and the optimizer's momentum of each.
    assert len(heads) == 4 and all(np.abs(values).max() > 0 for values in heads)


def test_the_log_has_every_term_and_labels_are_smoothed(tmp_path: Path) -> None:
    fit("basecnn_2cc", _DATASET, dataclasses.replace(_RECIPE, epochs=1), tmp_path / "run")
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    terms = ("classification_loss", "category_loss", "execution_rate_loss", "flops_loss")
    assert {*terms, *(f"val_{term}" for term in terms)} <= set(row)
    assert float(row["loss"]) == pytest.approx(sum(float(row[term]) for term in terms), rel=1e-5)
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert model.default_objective().classification.label_smoothing == 0.0
    assert model.get_compile_config()["objective"]["config"]["label_smoothing"] == 0.1


def test_an_argument_that_is_no_longer_given_is_named(tmp_path: Path) -> None:
    arguments = {"model": "gated", "model_arguments": {"width_multiplier": 1.0, "target_rate": 0.5}}
    write_record(tmp_path, {"arguments": arguments})
    assert open_record(tmp_path, arguments)["arguments"] == arguments
    with pytest.raises(ValueError, match="holds a run with other arguments: target_rate was 0.5, now None"):
        open_record(tmp_path, {"model": "gated", "model_arguments": {"width_multiplier": 1.0}})
