"""`tf-routing fit`: trains a network, or continues a run that stopped."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tf_routing import data, zoo
from tf_routing.analysis import draw_routing_flow
from tf_routing.data.batches import evaluation_batches, first_images, steps_per_epoch, training_batches
from tf_routing.data.picture_files import named_pictures
from tf_routing.data.told_costs import with_drawn
from tf_routing.files import whole_file
from tf_routing.models import RoutedModel
from tf_routing.models.decisions import decision_tensors
from tf_routing.train.accuracies import top5_accuracy
from tf_routing.train.callbacks import EpochCheckpoint, EpochLog, RouteCount, logged_seconds
from tf_routing.train.checkpoint import epochs_done, restore_checkpoint
from tf_routing.train.exit_statistics import leaves_early, measured_exits
from tf_routing.train.gating import is_gated, routing_statistics
from tf_routing.train.phases import Phase, compile_for, phases
from tf_routing.train.recipe import Recipe, load_recipe
from tf_routing.train.recipe_files import read_recipe
from tf_routing.train.run_record import open_record, write_json, write_record
from tf_routing.train.sweep import Run, chosen, load_sweep
from tf_routing.validation import not_negative_integer
from tf_routing.zoo.registry import find

_EVALUATION_BATCH = 256
_PICTURED = 3


def run(arguments: argparse.Namespace) -> None:
    """Trains as the command line says, one network or all that a recipe names, and prints the results."""
    recipe = load_recipe(arguments.recipe, arguments.scale).changed(
        epochs=arguments.epochs, batch_size=arguments.batch_size, first_classes=arguments.first_classes
    )
    dataset_name, runs = _asked(arguments)
    for asked in runs:
        # A wrong name is known before the images of a class are counted.
        find(asked.model)
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
        )
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
) -> dict[str, Any]:
    """Trains a network of the zoo into a folder, or continues what stopped there.

    The folder then holds `model.keras`, `checkpoints/`, `log.csv`, `tensorboard/`, `run.json` and, for networks that
    route, `routing.png`.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on; the recipe may give its images a size. The model standardises them.
        recipe: How to train.
        output: Folder of the run.
        seed: Integer, seeds weights, order and augmentation.
        model_arguments: Arguments of `zoo.get` for the network's family, such as `width_multiplier`.
        count_routes: Boolean, for networks that skip: whether the log shows after each epoch how many different routes
            the test images take.

    Returns:
        The content of `run.json`.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this run.
    """
    not_negative_integer("seed", seed)
    keras.utils.set_random_seed(seed)
    dataset = recipe.prepared(dataset)
    steps = _steps(dataset, recipe)
    if steps == 0:
        most = dataset.train.image_count * recipe.copies
        raise ValueError(f"`batch_size` must be at most {most}. Received: {recipe.batch_size}")
    model_arguments = {"width_multiplier": 1.0, **(model_arguments or {})}
    model = _built(architecture, dataset, recipe, model_arguments)
    # Before a phase freezes some of them.
    parameters = int(sum(np.prod(weight.shape) for weight in model.trainable_weights))
    record = open_record(output, _arguments(architecture, dataset, recipe, seed, model_arguments))
    if "final" in record:
        print(f"{output} is finished; nothing to do.")
        return record
    done = epochs_done(output / "checkpoints")
    for phase in phases(recipe):
        if done > phase.end:
            continue
        compile_for(phase, model, recipe, steps)
        if phase.start < done:
            _, step = restore_checkpoint(model, output / "checkpoints")
            print(f"continuing at step {step}")
            record["continued_at_step"].append(step)
        write_record(output, record)
        phase = phase._replace(start=max(phase.start, done))
        with named_pictures(dataset.train, dataset.test):
            _train(model, dataset, recipe, output, seed, phase, record, count_routes)
    return _finish(model, dataset, output, record, parameters)


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


def _steps(dataset: data.Dataset, recipe: Recipe) -> int:
    return recipe.steps_per_epoch or steps_per_epoch(dataset.train, recipe.batch_size, recipe.copies)


def _built(architecture: str, dataset: data.Dataset, recipe: Recipe, model_arguments: dict[str, Any]) -> RoutedModel:
    statistics: dict[str, Any] = {"standardize": dataset.channel_statistics()} if recipe.standardize else {}
    return zoo.get(
        architecture, classes=dataset.classes, input_shape=dataset.image_shape, **statistics, **model_arguments
    )


def _train(
    model: RoutedModel,
    dataset: data.Dataset,
    recipe: Recipe,
    output: Path,
    seed: int,
    phase: Phase,
    record: dict[str, Any],
    count_routes: bool,
) -> None:
    steps = _steps(dataset, recipe)
    batches = training_batches(
        dataset.train,
        recipe.batch_size,
        seed,
        phase.end,
        phase.start,
        recipe.shift,
        recipe.mirror and dataset.mirrors,
        recipe.copies,
        recipe.fill,
        recipe.steps_per_epoch,
    )
    told = model.default_objective().drawn_inputs
    batches = with_drawn(batches, told, seed, phase.start * steps)
    # The same draw every time, so that epochs compare.
    tested = with_drawn(evaluation_batches(dataset.test, _EVALUATION_BATCH), told, seed)
    callbacks = [
        *([RouteCount(tested)] if count_routes and is_gated(model) else []),
        EpochLog(output / "log.csv", phase.start, steps),
        keras.callbacks.TensorBoard(output / "tensorboard", write_graph=False),
        EpochCheckpoint(output / "checkpoints", steps),
    ]
    try:
        model.fit(
            batches,
            epochs=phase.end,
            initial_epoch=phase.start,
            steps_per_epoch=steps,
            shuffle=False,
            validation_data=tested,
            callbacks=callbacks,
            # A bar that redraws is for terminals; a log file gets one line per epoch.
            verbose=1 if sys.stdout.isatty() else 2,
        )
    except KeyboardInterrupt:
        print(f"\nStopped; the finished epochs are in {output}. The same command continues.", file=sys.stderr)
        raise
    finally:
        record["seconds"] = logged_seconds(output / "log.csv")
        write_record(output, record)


def _finish(
    model: RoutedModel, dataset: data.Dataset, output: Path, record: dict[str, Any], parameters: int
) -> dict[str, Any]:
    tested = evaluation_batches(dataset.test, _EVALUATION_BATCH)
    told = model.default_objective().drawn_inputs
    drawn = with_drawn(tested, told, record["arguments"]["seed"])
    results = model.evaluate(drawn, verbose=0, return_dict=True)
    with whole_file(output / "model.keras") as temporary:
        model.save(temporary)
    if any(len(decision.shape) == 3 for decision in decision_tensors(model).values()):
        images, labels = first_images(dataset.test, _PICTURED)
        titles = [dataset.class_names[label] for label in labels]
        draw_routing_flow(model, images, output / "routing.png", titles)
    record["final"] = {
        **{name: float(value) for name, value in results.items()},
        "parameters": parameters,
        "macs": model.static_cost,
    }
    probabilities = model.predict(drawn, verbose=0)
    record["final"] |= top5_accuracy(probabilities, dataset.test.labels)
    routes = model.routes(drawn) if is_gated(model) else {}
    if routes:
        record["final"] |= routing_statistics(model, routes)
    if leaves_early(model):
        record["final"] |= measured_exits(model, tested, probabilities, routes, dataset.test.labels)
    record["class_names"] = dataset.class_names
    write_record(output, record)
    return record


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
