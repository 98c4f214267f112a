"""`tf-routing fit`: trains a network, or continues a run that stopped."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tf_routing import data, zoo
from tf_routing.models import RoutedModel
from tf_routing.train.checkpoint import saved_so_far
from tf_routing.train.determinism import make_deterministic
from tf_routing.train.devices import Devices, open_devices
from tf_routing.train.finishing import finish
from tf_routing.train.phases import phases
from tf_routing.train.plain_twin import PlainTwin
from tf_routing.train.recipe import Recipe, load_recipe
from tf_routing.train.recipe_files import read_recipe
from tf_routing.train.run_record import open_record, remove_unfinished, write_json
from tf_routing.train.stopping import StopSignals
from tf_routing.train.sweep import Run, chosen, load_sweep
from tf_routing.train.training_run import TrainingRun, train_phase
from tf_routing.validation import not_negative_integer
from tf_routing.zoo.registry import find


def run(arguments: argparse.Namespace) -> None:
    """Trains as the command line says, one network or all that a recipe names, and prints the results."""
    recipe = load_recipe(arguments.recipe, arguments.scale).changed(
        epochs=arguments.epochs, batch_size=arguments.batch_size, first_classes=arguments.first_classes
    )
    dataset_name, runs = _asked(arguments)
    for asked in runs:
        # A wrong name is known before the images of a class are counted.
        find(asked.model)
    # Before anything else uses TensorFlow, which could not be divided then, nor meet other hosts.
    devices = open_devices(arguments.strategy, arguments.devices, arguments.tpu)
    dataset = data.load(dataset_name, arguments.data_dir)
    given = dict(arguments.set)
    if arguments.width_multiplier is not None:
        given = {"width_multiplier": arguments.width_multiplier, **given}
    for number, asked in enumerate(runs, 1):
        output = Path(arguments.output, asked.folder)
        if len(runs) > 1:
            print(f"{number} of {len(runs)}: {asked.model}, in {output}", flush=True)
        record = fit(
            asked.model,
            dataset,
            recipe,
            output,
            seed=arguments.seed,
            model_arguments={"width_multiplier": 1.0, **asked.arguments, **given},
            count_routes=arguments.count_routes,
            devices=devices,
            checkpoint_every=arguments.checkpoint_every,
            deterministic=arguments.deterministic,
        )
        if devices.writes:
            _report(arguments, asked, dataset, recipe, record, output)


def _report(
    arguments: argparse.Namespace, asked: Run, dataset: data.Dataset, recipe: Recipe, record: Any, output: Path
) -> None:
    if arguments.record:
        _append_result(Path(arguments.record), record)
    print(
        f"{asked.model} on {dataset.name}: accuracy {record['final']['accuracy']:.4f} (seed {arguments.seed}, "
        f"{recipe.epochs} epochs, {record['seconds']:.0f} s). Everything is in {output}."
    )


def _asked(arguments: argparse.Namespace) -> tuple[str, list[Run]]:
    """Returns the name of the dataset, and the runs: the network that is named, or those of the recipe."""
    sweep = load_sweep(arguments.recipe, arguments.scale)
    if arguments.model is not None:
        own = read_recipe(arguments.recipe, arguments.scale).get("arguments", {})
        return arguments.dataset or "digits", [Run(arguments.model, own, "")]
    if sweep is None:
        raise ValueError(f"`model` must be given: the recipe {arguments.recipe} names none. Received: model=None")
    return arguments.dataset or sweep.dataset, chosen(sweep, arguments.runs)


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
) -> dict[str, Any]:
    """Trains a network of the zoo into a folder, or continues what stopped there.

    The folder then holds `model.keras`, `checkpoints/`, `log.csv`, `tensorboard/`, `run.json` and, for networks that
    route, `routing.png`. A run that was stopped or killed goes on from its last checkpoint and ends with the weights
    and the log that it would have had.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on; the recipe may give its images a size. The model standardises them.
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
    dataset = recipe.prepared(dataset)
    devices.check_batch(recipe.batch_size, recipe.copies)
    steps = recipe.steps_in(dataset.train)
    arguments = {"width_multiplier": 1.0, **(model_arguments or {})}
    with StopSignals() as signals:
        with devices.scope():
            model = _built(architecture, dataset, recipe, arguments)
        devices.synchronize(model)
        # Before a phase freezes some of them.
        parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
        described = _arguments(architecture, dataset, recipe, seed, arguments)
        record = open_record(output, described, devices.writes)
        if "final" in record:
            print(f"{output} is finished; nothing to do.")
            return record
        if devices.writes:
            remove_unfinished(output)
        record |= {**devices.described(), "deterministic": deterministic}
        plain = PlainTwin(model, devices.strategy, lambda: _built(architecture, dataset, recipe, arguments))
        started = TrainingRun(
            model, plain, dataset, recipe, output, seed, steps, record, devices, checkpoint_every, count_routes, signals
        )
        _train(started)
        if devices.writes:
            finish(plain.current(), dataset, output, record, parameters)
    return record


def _train(started: TrainingRun) -> None:
    saved = saved_so_far(started.checkpoints)
    reached = saved.epoch + (saved.step > saved.epoch * started.steps)
    for phase in phases(started.recipe):
        # One that ended with the last checkpoint is restored, for the next to start with its weights.
        if reached <= phase.end:
            train_phase(started, phase, saved)


def _arguments(
    architecture: str, dataset: data.Dataset, recipe: Recipe, seed: int, model_arguments: dict[str, Any]
) -> dict[str, Any]:
    images = {"train_images": dataset.train.image_count, "test_images": dataset.test.image_count}
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


def _built(architecture: str, dataset: data.Dataset, recipe: Recipe, model_arguments: dict[str, Any]) -> RoutedModel:
    statistics: dict[str, Any] = {"standardize": dataset.channel_statistics()} if recipe.standardize else {}
    return zoo.get(
        architecture, classes=dataset.classes, input_shape=dataset.image_shape, **statistics, **model_arguments
    )


def _append_result(file: Path, record: dict[str, Any]) -> None:
    rows = json.loads(file.read_text("utf-8")) if file.exists() else []
    arguments = record["arguments"]
    row = {key: arguments[key] for key in ("model", "model_arguments", "dataset", "seed")}
    row |= {"recipe": arguments["recipe"]["name"], "epochs": arguments["recipe"]["epochs"]}
    if arguments["recipe"].get("first_classes"):
        row["first_classes"] = arguments["recipe"]["first_classes"]
    # Not the tables by exit and class, which figures read where the run is.
    final = {key: value for key, value in record["final"].items() if key not in ("exits", "by_cost")}
    row |= {**final, "seconds": record["seconds"], "versions": record["versions"]}
    if row not in rows:
        write_json(file, [*rows, row])
