"""`tf-routing fit`: trains a network, or continues a run that stopped."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_routing.cli.options import add_training_options
from tf_routing.cli.paper_comparison import compare_with_paper
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.cli.training_request import TrainingRequest, read_request
from tf_routing.data import calibration_split, datasets
from tf_routing.runs.run_record import check_folder, find_record
from tf_routing.runs.seeds import summarize
from tf_routing.support.files import read_rows, write_json
from tf_routing.support.validation import not_negative_integer, positive_integer
from tf_routing.train.distribution.strategy_names import STRATEGIES
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.recipes.recipe_files import DEFAULT, SCALES
from tf_routing.zoo.registry import find

if TYPE_CHECKING:
    from tf_routing.train.planned_run import PlannedRun


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what to train, on which devices, and what to write."""
    model = "name of the architecture; where not given, all networks that the recipe names"
    add_training_options(parser, model, DEFAULT, "folder of the run, or of the runs", needs_model=False)
    parser.add_argument("--scale", default="paper", choices=SCALES, help="of the recipe, where it has both")
    parser.add_argument("--runs", type=int, nargs="+", help="numbers of the recipe's runs, counted from 1")
    about = "how many seeds to train, from --seed on, or a list of them: each in a folder of its own below --output"
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help=about)
    parser.add_argument("--count_routes", action="store_true", help="log the number of different routes per epoch")
    parser.add_argument("--record", metavar="FILE", help="append the final result to this JSON data file")
    about = (
        "share of the training images to set apart, the same ones always, for `tf-routing calibrate`, which finds "
        "thresholds for budgets of computation; none where not given"
    )
    parser.add_argument("--calibration_share", metavar="SHARE", type=float, help=about)
    _add_device_options(parser)
    about = "steps between checkpoints within an epoch; 0 for none but at its end"
    parser.add_argument("--checkpoint_every", metavar="STEPS", type=int, default=0, help=about)
    about = "the same bits every time, on one machine, with slower operations"
    parser.add_argument("--deterministic", action="store_true", help=about)


def _add_device_options(parser: argparse.ArgumentParser) -> None:
    about = (
        "auto: all GPUs, or with TF_CONFIG all workers; one: one device; mirrored: several of this host; "
        "multiworker: several hosts, named by TF_CONFIG; tpu: the one that --tpu names"
    )
    parser.add_argument("--strategy", default="auto", choices=STRATEGIES, help=about)
    about = "of --strategy mirrored; where there are not so many GPUs, parts of the CPU stand in; all where not given"
    parser.add_argument("--devices", type=int, help=about)
    parser.add_argument("--tpu", metavar="NAME", help="of --strategy tpu; 'local' on a TPU's own host")
    about = "on JAX, for images in memory: steps that the device takes in one call; 100 on an accelerator, 1 on a CPU"
    parser.add_argument("--steps_per_execution", metavar="STEPS", type=int, help=about)


def run(arguments: argparse.Namespace) -> None:
    """Trains one network, or all that a recipe names, with one seed or several, and prints the results."""
    request, seeds = read_request(arguments), _read_seeds(arguments)
    for run in request.runs:
        find(run.model)
        for folder in _list_folders(Path(arguments.output, run.folder), seeds):
            check_folder(folder)
    datasets.check(request.dataset, arguments.data_dir)
    start_quietly(onednn="1")
    _train_all(arguments, request, seeds)


def _read_seeds(arguments: argparse.Namespace) -> list[int]:
    """Returns the seeds that `--seeds` asks for, none where it is not given."""
    if arguments.seeds is None:
        return []
    if len(arguments.seeds) == 1:
        first = not_negative_integer("seed", arguments.seed)
        return list(range(first, first + positive_integer("seeds", arguments.seeds[0])))
    if arguments.seed or len(set(arguments.seeds)) < len(arguments.seeds):
        raise ValueError(
            "`seeds` must be how many there are, from --seed on, or without --seed a list of different ones. "
            f"Received: seed={arguments.seed}, seeds={arguments.seeds}"
        )
    return [not_negative_integer("seeds", seed) for seed in arguments.seeds]


def _list_folders(output: Path, seeds: Sequence[int]) -> list[Path]:
    if seeds and find_record(output) is not None:
        raise ValueError(f"{output} holds a run of one seed: choose another --output, or leave --seeds out.")
    return [output / f"seed_{seed}" for seed in seeds] or [output]


def _train_all(arguments: argparse.Namespace, request: TrainingRequest, seeds: Sequence[int]) -> None:
    from tf_routing.train.distribution.devices import open_devices

    # Before anything else uses TensorFlow, which could not be divided then, nor meet other hosts.
    devices = open_devices(arguments.strategy, arguments.devices, arguments.tpu, arguments.steps_per_execution)
    dataset = request.load_dataset(arguments.data_dir)
    if arguments.calibration_share is not None:
        dataset, part = calibration_split(dataset, arguments.calibration_share)
        print(f"{part.image_count} training images are set apart for calibration.")
    recipe = request.fit_batch(dataset, devices.replicas)
    options = {
        name: getattr(arguments, name) for name in ("count_routes", "checkpoint_every", "deterministic", "restart")
    }
    records: dict[str, list[dict[str, Any]]] = {}
    # Every network gets its first seed before any gets its second.
    for planned, folder in _plan(arguments, request, seeds, dataset, recipe):
        record = planned.train(devices=devices, **options)
        records.setdefault(folder, []).append(record)
        if devices.writes:
            _report(arguments, planned, record)
    if seeds and devices.writes:
        for folder, found in records.items():
            _report_seeds(Path(arguments.output, folder), seeds, found)


def _plan(
    arguments: argparse.Namespace, request: TrainingRequest, seeds: Sequence[int], dataset: Any, recipe: Recipe
) -> Iterator[tuple["PlannedRun", str]]:
    """Yields what is to be trained, each with the folder of its network below `--output`."""
    from tf_routing.train.planned_run import PlannedRun

    several = [(run, seed) for seed in seeds or [arguments.seed] for run in request.runs]
    for number, (run, seed) in enumerate(several, 1):
        folder = Path(arguments.output, run.folder)
        output = folder / f"seed_{seed}" if seeds else folder
        title = f"{number} of {len(several)}: {run.model}, in {output}" if len(several) > 1 else ""
        yield PlannedRun(title, run.model, run.arguments, dataset, recipe, output, seed), run.folder


def _report(arguments: argparse.Namespace, planned: "PlannedRun", record: dict[str, Any]) -> None:
    if arguments.record:
        _append_result(Path(arguments.record), record)
    accuracy, seconds = record["final"]["accuracy"], record["seconds"]
    what = f"seed {planned.seed}, {planned.recipe.epochs} epochs, {seconds:.0f} s"
    name = f"{planned.architecture} on {planned.dataset.name}"
    print(f"{name}: accuracy {accuracy:.4f} ({what}). Everything is in {planned.output}.")
    for line in compare_with_paper(record["arguments"], planned.dataset.name, accuracy):
        print(line)


def _report_seeds(output: Path, seeds: Sequence[int], records: Sequence[dict[str, Any]]) -> None:
    found = summarize(records)
    accuracies = [record["final"]["accuracy"] for record in records]
    write_json(output / "seeds.json", {"seeds": list(seeds), "accuracies": accuracies, **found._asdict()})
    spread = "" if found.deviation is None else f", sample deviation {found.deviation:.4f}"
    print(f"{output}: best accuracy {found.best:.4f}, mean {found.mean:.4f}{spread}, of {len(seeds)} seeds.")


def _append_result(file: Path, record: dict[str, Any]) -> None:
    rows = read_rows(file)
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
