"""Trains a network of the zoo into a folder, or continues a run that stopped there."""

import dataclasses
import json
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
from tf_routing.train.finishing import finish
from tf_routing.train.networks import build_network, shown_as
from tf_routing.train.phases import phases
from tf_routing.train.plain_twin import PlainTwin
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.stopping import StopSignals
from tf_routing.train.training_run import TrainingRun, train_phase


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
    devices.check(checkpoint_every)
    keras.utils.set_random_seed(seed)
    if deterministic:
        make_deterministic()
    dataset, recipe = shown_as(architecture, dataset, recipe)
    devices.check_batch(recipe.batch_size, recipe.copies)
    steps = recipe.steps_in(dataset.train)
    arguments = {"width_multiplier": 1.0, **(model_arguments or {})}
    with StopSignals() as signals:
        with devices.scope():
            model = build_network(architecture, dataset, recipe, arguments)
        devices.synchronize(model)
        # Before a phase freezes some of them.
        parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
        described = _arguments(architecture, dataset, recipe, seed, arguments)
        if restart and devices.writes:
            remove_run(output)
        # Another host may look before this one has removed it.
        saved = Saved() if restart else saved_so_far(output / "checkpoints")
        record = open_record(
            output, described, devices.writes, begun=saved.step > 0, epochs_begun=saved.epochs_begun(steps)
        )
        if "final" in record:
            print(f"{output} is finished; nothing to do. More --epochs continue it, --restart begins anew.")
            return record
        if before := record.get("epochs_before"):
            print(f"{output} was asked for {before[-1]} epochs and gets {recipe.epochs}, with their learning rates.")
        if devices.writes:
            remove_unfinished(output)
        record |= {**devices.described(), "deterministic": deterministic}
        plain = PlainTwin(model, devices.strategy, lambda: build_network(architecture, dataset, recipe, arguments))
        started = TrainingRun(
            model, plain, dataset, recipe, output, seed, steps, record, devices, checkpoint_every, count_routes, signals
        )
        _train(started, saved)
        if devices.writes:
            finish(plain.current(), dataset, output, record, parameters)
    return record


def _train(started: TrainingRun, saved: Saved) -> None:
    reached = saved.epochs_begun(started.steps)
    for phase in phases(started.recipe):
        # One that ended with the last checkpoint is restored, for the next to start with its weights.
        if reached <= phase.end:
            train_phase(started, phase, saved)


def _arguments(
    architecture: str, dataset: data.Dataset, recipe: Recipe, seed: int, model_arguments: dict[str, Any]
) -> dict[str, Any]:
    images: dict[str, Any] = {"train_images": dataset.train.image_count, "test_images": dataset.test.image_count}
    if dataset.held_out is not None:
        images["held_out"] = dataset.held_out
    # Through JSON, so that tuples compare as what a record of an earlier run holds.
    recipe_values, model_values = json.loads(json.dumps([dataclasses.asdict(recipe), model_arguments]))
    return {
        "model": architecture,
        "dataset": dataset.name,
        **images,
        "seed": seed,
        "model_arguments": model_values,
        "recipe": recipe_values,
    }
