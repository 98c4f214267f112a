"""A run that is killed at any moment and continued ends as one that nobody killed."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.skip_net import skip_model
from tests.train.kill_harness import WORDS, differences, killed_run, start_fork, start_process, whole_run
from tf_routing.data import Dataset, ImageSet
from tf_routing.data.batching.batches import BatchPlan, add_drawn_inputs, training_batches
from tf_routing.runs.run_record import remove_unfinished
from tf_routing.train import networks
from tf_routing.train.callbacks import Checkpoints, EpochLog
from tf_routing.train.checkpoint import Spent
from tf_routing.train.fit import fit
from tf_routing.train.phases import Phase
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.training_run import _training_batches

# The killed processes train in graphs, as users do.
pytestmark = pytest.mark.usefixtures("eagerly")

_STEPS = 2
_RECIPE = Recipe(
    "tiny", "Two phases", epochs=1, batch_size=32, copies=2, learning_rate=0.005, shift=2, frozen_epochs=1,
    frozen_learning_rate=0.002,
)  # fmt: skip


def noise(count: int) -> ImageSet:
    rng = np.random.default_rng(count)
    return ImageSet(rng.integers(0, 256, (count, 8, 8, 3)).astype("uint8"), rng.integers(0, 4, count))


_DATASET = Dataset("noise", noise(16 * _STEPS), noise(16), ["a", "b", "c", "d"], mirrors=True)


class Killed(Exception):
    """Stands for a kill: nothing that would tidy up knows it."""


def run(output: Path, **changes: Any) -> dict[str, Any]:
    """Trains a network whose routers are frozen in the second epoch."""
    recipe = dataclasses.replace(_RECIPE, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks.zoo, "get", lambda *_, **__: skip_model(shape=(8, 8, 3), classes=4, target=0.2))
        return fit("skip", _DATASET, recipe, output, checkpoint_every=1)


def killed_after(step: int, output: Path, **changes: Any) -> None:
    """Kills a run after a step; where that is an epoch's last, with the checkpoint that Ctrl-C leaves there."""

    def kill(callback: Any, batch: int, logs: Any = None) -> None:
        done = callback.epoch * _STEPS + batch + 1
        callback.save_within(done)
        if done == step:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_end", kill)
        with pytest.raises(Killed):
            run(output, **changes)


def test_a_run_goes_on_within_an_epoch_of_each_phase(tmp_path: Path) -> None:
    whole, kills = run(tmp_path / "whole"), [1, _STEPS, 3]
    for step in kills:
        killed_after(step, tmp_path / "killed")
    record = run(tmp_path / "killed")
    assert record["continued_at_step"] == kills and record["final"] == whole["final"]
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


def test_time_before_a_stop_counts_once_though_another_phase_follows(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochLog, "spent", lambda log: Spent(1e5, 1e4))
        killed_after(1, tmp_path)
    run(tmp_path)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1
    for name, before in (("epoch_seconds", 1e5), ("processor_seconds", 1e4)):
        first, *others = (float(row[name]) for row in rows)
        assert before < first < before + 1e3 and max(others) < 1e3


def test_a_run_that_stopped_in_its_first_epoch_gets_more_epochs(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", epochs=2, frozen_epochs=0)
    killed_after(1, tmp_path / "killed", frozen_epochs=0)
    record = run(tmp_path / "killed", epochs=2, frozen_epochs=0)
    assert (record["epochs_before"], record["continued_at_step"]) == ([1], [1])
    assert record["final"] == whole["final"]
    # Which alone says what was asked for before.
    assert differences(tmp_path / "whole", tmp_path / "killed") == ["run.json"]


def test_a_run_that_stopped_within_its_first_frozen_epoch_gets_no_more_before_it(tmp_path: Path) -> None:
    killed_after(_STEPS + 1, tmp_path)
    with pytest.raises(ValueError, match="cannot grow from 1 to 2 .*: its routers are frozen"):
        run(tmp_path, epochs=2)


def test_batches_within_an_epoch_are_those_of_an_uninterrupted_run() -> None:
    def batches(first_epoch: int) -> Any:
        shown = training_batches(_DATASET.train, BatchPlan(16, 3, 2, first_epoch, shift=2, mirror=True, copies=2))
        return add_drawn_inputs(shown, {"cost": [0.0, 1.0, 2.0]}, 3, first_epoch * 2 * _STEPS)

    whole, rest = list(batches(0)), list(batches(1).skip(3))
    assert (len(whole), len(rest)) == (4 * _STEPS, 2 * _STEPS - 3)
    for (inputs, labels), (others, other_labels) in zip(whole[-len(rest) :], rest, strict=True):
        np.testing.assert_array_equal(labels, other_labels)
        for name in ("image", "cost"):
            np.testing.assert_array_equal(inputs[name], others[name])


@pytest.mark.parametrize("first", [1, 2])
def test_a_run_that_goes_on_at_an_epoch_draws_what_an_uninterrupted_one_would(first: int) -> None:
    objective = SimpleNamespace(drawn_inputs={"cost": (0.0, 1.0, 2.0)})
    task = SimpleNamespace(dataset=_DATASET, recipe=_RECIPE, seed=3, steps=_STEPS)
    model = SimpleNamespace(default_objective=lambda: objective)
    parts: Any = SimpleNamespace(task=task, model=model, compiles=False)
    whole, rest = (
        [batch[0]["cost"] for batch in _training_batches(parts, Phase(start, 3, frozen=False)).as_numpy_iterator()]
        for start in (0, first)
    )
    assert len(whole) == 3 * _STEPS
    np.testing.assert_array_equal(rest, whole[first * _STEPS :])
    assert np.any(whole[0] != whole[_STEPS])


def test_what_was_being_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in (".run-a.json", ".log-a.csv", ".model-a.keras", "checkpoints/.step_00000009-a.npz", ".mine"):
        (tmp_path / name).write_bytes(b"half")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.rglob(".*")] == [".mine"]


@pytest.mark.parametrize(
    ("kills", "seed"), [(2, 20), pytest.param(20, 1, marks=pytest.mark.heavy)], ids=["two", "twenty"]
)
def test_a_process_killed_at_random_moments(
    kills: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    words = [*WORDS, "--epochs", "3" if kills == 2 else "20"]
    start = start_fork if kills == 2 else start_process
    whole_run(tmp_path / "whole", words, start=start)
    printed = killed_run(tmp_path / "killed", words, kills, seed, start=start)
    assert len(printed) == kills + 1
    steps = json.loads((tmp_path / "killed" / "run.json").read_text("utf-8"))["continued_at_step"]
    assert f"continuing at step {steps[-1]}\n" in printed[-1]
    assert steps == sorted(steps) and steps[-1] > 0
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


@pytest.mark.heavy
def test_a_process_on_two_devices_killed_at_random_moments(tmp_path: Path) -> None:
    words = [*WORDS, "--strategy", "mirrored", "--devices", "2"]
    whole_run(tmp_path / "whole", words)
    killed_run(tmp_path / "killed", words, kills=2)
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


def start_workers(output: Path) -> subprocess.Popen[str]:
    """Starts a run of two workers."""
    words = ["--workers", "2", "--", "fit", *WORDS, "--strategy", "multiworker", "--output", str(output)]
    command = [sys.executable, "-m", "tf_routing", "launch", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.heavy
@pytest.mark.parametrize("victim", [0, 1])
def test_two_workers_of_which_one_is_killed(victim: int, tmp_path: Path) -> None:
    launched = start_workers(tmp_path / "killed")
    while not list((tmp_path / "killed").glob("checkpoints/step_*.npz")):
        assert launched.poll() is None
        time.sleep(0.05)
    # In the order in which they were started.
    workers = Path(f"/proc/{launched.pid}/task/{launched.pid}/children").read_text("utf-8").split()
    os.kill(int(workers[victim]), signal.SIGKILL)
    printed = launched.communicate(timeout=90)[0]
    assert launched.returncode == 128 + signal.SIGKILL
    assert f"[worker {1 - victim}] tf-routing fit: A worker is gone" in printed
    again, whole = start_workers(tmp_path / "killed"), start_workers(tmp_path / "whole")
    assert "continuing at step " in again.communicate()[0]
    whole.communicate()
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


def test_the_harness_sees_differences(tmp_path: Path) -> None:
    for name, value in (("one", 0.0), ("other", -0.0)):
        folder = tmp_path / name / "checkpoints"
        folder.mkdir(parents=True)
        np.savez(folder / "step_00000001.npz", weight=np.float32(value))
        (tmp_path / name / "run.json").write_text(json.dumps({"seconds": value}), "utf-8")
        (tmp_path / name / "log.csv").write_text(f"loss,epoch_seconds\n1,{value}\n", "utf-8")
    assert differences(tmp_path / "one", tmp_path / "other") == ["weight"]
    (tmp_path / "other" / "log.csv").write_text("loss,epoch_seconds\n2,0\n", "utf-8")
    assert differences(tmp_path / "one", tmp_path / "other") == ["log.csv", "weight"]
