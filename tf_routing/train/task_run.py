"""Trains what a task says into a folder, or continues a run of it that stopped there."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from tf_routing import data
from tf_routing.runs.removal import remove_run
from tf_routing.runs.run_record import open_record, remove_unfinished
from tf_routing.support.validation import not_negative_integer
from tf_routing.train.checkpoint import Saved, saved_so_far
from tf_routing.train.determinism import make_deterministic
from tf_routing.train.distribution.devices import Devices
from tf_routing.train.evaluation_copy import EvaluationCopy
from tf_routing.train.fused_normalization import fuse_normalizations
from tf_routing.train.phases import phases
from tf_routing.train.stop_signals import StopSignals
from tf_routing.train.throughput import describe_speed
from tf_routing.train.training_run import Task, TrainingRun, train_phase


def run_task(
    task: Task,
    output: Path,
    devices: Devices,
    *,
    count_routes: bool = False,
    checkpoint_every: int = 0,
    deterministic: bool = False,
    restart: bool = False,
) -> dict[str, Any]:
    """Trains a task's network into a folder, or continues what stopped there.

    Args:
        task: What to train.
        output: Folder of the run.
        devices: What to train on, see `open_devices`.
        count_routes: See `fit.fit`, as for all others.
        checkpoint_every: See there.
        deterministic: See there.
        restart: See there.

    Returns:
        The content of `run.json`; without `final` on hosts that do not write.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this run.
        RuntimeError: If the loss is no longer finite, or a worker is gone.
        OSError: If a file cannot be written.
    """
    not_negative_integer("checkpoint_every", checkpoint_every)
    devices.check(checkpoint_every, isinstance(task.dataset.train, data.ImageSet))
    keras.utils.set_random_seed(task.seed)
    if deterministic:
        make_deterministic()
    devices.check_batch(task.recipe.batch_size, task.recipe.copies)
    with StopSignals() as signals:
        with devices.scope():
            model = task.build_network()
        devices.synchronize(model)
        fuse_normalizations(model)
        # Before a phase freezes some of them.
        parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
        saved, record = _open_run(task, output, devices, restart)
        if "final" in record:
            return record
        record |= {**devices.describe(), "deterministic": deterministic}
        run = TrainingRun(
            task=task,
            model=model,
            measured=EvaluationCopy(model, devices.strategy, task.build_network),
            devices=devices,
            output=output,
            record=record,
            signals=signals,
            checkpoint_every=checkpoint_every,
            count_routes=count_routes,
        )
        _train_phases(run, saved)
        if devices.writes:
            task.save_results(run.measured.update(), output, record, parameters)
            if speed := describe_speed(record):
                print(f"Trained with {speed}.")
    return record


def _open_run(task: Task, output: Path, devices: Devices, restart: bool) -> tuple[Saved, dict[str, Any]]:
    """Returns how far the run in a folder is, and its record; removes first what is not to be continued."""
    if restart and devices.writes:
        remove_run(output)
    # Another host may look before this one has removed it.
    saved = Saved() if restart else saved_so_far(output / "checkpoints")
    record = open_record(
        output, task.describe(), devices.writes, begun=saved.step > 0, epochs_begun=saved.epochs_begun(task.steps)
    )
    if "final" in record:
        print(f"{output} is finished; nothing to do. More --epochs continue it, --restart begins anew.")
        return saved, record
    if before := record.get("epochs_before"):
        epochs = task.recipe.epochs
        print(f"{output} was asked for {before[-1]} epochs and gets {epochs}, with their learning rates.")
    if devices.writes:
        remove_unfinished(output)
    return saved, record


def _train_phases(run: TrainingRun, saved: Saved) -> None:
    reached = saved.epochs_begun(run.task.steps)
    for phase in phases(run.task.recipe):
        # One that ended with the last checkpoint is restored, for the next to start with its weights.
        if reached <= phase.end:
            train_phase(run, phase, saved)
