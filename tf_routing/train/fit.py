"""Trains a network of the zoo into a folder, or continues a run that stopped there."""

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
from tf_routing.train.distribution.devices import Devices, open_devices
from tf_routing.train.evaluation_copy import EvaluationCopy
from tf_routing.train.final_results import save_results
from tf_routing.train.fused_normalization import fuse_normalizations
from tf_routing.train.phases import phases
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.stop_signals import StopSignals
from tf_routing.train.throughput import describe_speed
from tf_routing.train.training_run import TrainingRun, train_phase
from tf_routing.train.training_task import TrainingTask, define_task


def fit(
    architecture: str,
    dataset: data.Dataset,
    recipe: Recipe,
    output: Path,
    *,
    seed: int = 0,
    model_arguments: dict[str, Any] | None = None,
    count_routes: bool = False,
    devices: Devices | None = None,
    checkpoint_every: int = 0,
    deterministic: bool = False,
    restart: bool = False,
) -> dict[str, Any]:
    """Trains a network of the zoo into a folder, or continues what stopped there.

    The folder then holds `model.keras`, `checkpoints/`, `log.csv`, `tensorboard/`, `run.json` and, for networks that
    route, `routing.png`. A run that was stopped or killed goes on from its last checkpoint and ends with the weights
    and the log that it would have had. One that is finished goes on where the recipe has more epochs now.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on; the recipe may give its images a size, the network does where neither the
            dataset nor the recipe has one. The model standardises them.
        recipe: How to train.
        output: Folder of the run.
        seed: Integer, seeds weights, order and augmentation.
        model_arguments: Arguments of `zoo.get` for the network's family, such as `width_multiplier`.
        count_routes: Boolean, for networks that skip: whether the log shows after each epoch how many different routes
            the test images take.
        devices: What to train on, see `open_devices`; what `"auto"` finds where not given.
        checkpoint_every: Integer, steps between checkpoints within an epoch; 0 for none but at its end.
        deterministic: Boolean, whether the same seed gives the same bits every time, with slower operations where there
            are any. Holds for the rest of the process.
        restart: Boolean, whether what a run wrote into the folder before is removed first.

    Returns:
        The content of `run.json`; without `final` on hosts that do not write.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this run.
        RuntimeError: If the loss is no longer finite, or a worker is gone.
        OSError: If a file cannot be written.
    """
    not_negative_integer("seed", seed)
    not_negative_integer("checkpoint_every", checkpoint_every)
    devices = devices or open_devices()
    devices.check(checkpoint_every, isinstance(dataset.train, data.ImageSet))
    keras.utils.set_random_seed(seed)
    if deterministic:
        make_deterministic()
    task = define_task(architecture, dataset, recipe, seed, model_arguments)
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
            save_results(run.measured.update(), task.dataset, output, record, parameters)
            if speed := describe_speed(record):
                print(f"Trained with {speed}.")
    return record


def _open_run(task: TrainingTask, output: Path, devices: Devices, restart: bool) -> tuple[Saved, dict[str, Any]]:
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
