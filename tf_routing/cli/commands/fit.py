"""`tf-routing fit`: trains a network, or continues a run that stopped."""

import argparse
import json
from pathlib import Path
from typing import Any

from tf_routing.cli.options import add_training_options
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.cli.training_request import TrainingRequest, read_request
from tf_routing.data import datasets
from tf_routing.runs.run_record import check_folder
from tf_routing.support.files import write_json
from tf_routing.train.distribution.strategy_names import STRATEGIES
from tf_routing.train.recipes.recipe_files import DEFAULT, SCALES
from tf_routing.zoo.registry import find


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what to train, on which devices, and what to write."""
    model = "name of the architecture; where not given, all networks that the recipe names"
    add_training_options(parser, model, DEFAULT, "folder of the run, or of the runs", needs_model=False)
    parser.add_argument("--scale", default="paper", choices=SCALES, help="of the recipe, where it has both")
    parser.add_argument("--runs", type=int, nargs="+", help="numbers of the recipe's runs, counted from 1")
    parser.add_argument("--count_routes", action="store_true", help="log the number of different routes per epoch")
    parser.add_argument("--record", metavar="FILE", help="append the final result to this JSON data file")
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


def run(arguments: argparse.Namespace) -> None:
    """Trains one network, or all that a recipe names, and prints the results."""
    request = read_request(arguments)
    for run in request.runs:
        find(run.model)
        check_folder(Path(arguments.output, run.folder))
    datasets.check(request.dataset, arguments.data_dir)
    start_quietly(onednn="1")
    _train_all(arguments, request)


def _train_all(arguments: argparse.Namespace, request: TrainingRequest) -> None:
    from tf_routing.train.distribution.devices import open_devices
    from tf_routing.train.fit import fit

    # Before anything else uses TensorFlow, which could not be divided then, nor meet other hosts.
    devices = open_devices(arguments.strategy, arguments.devices, arguments.tpu)
    dataset = request.load_dataset(arguments.data_dir)
    recipe = request.fit_batch(dataset, devices.replicas)
    for number, run in enumerate(request.runs, 1):
        output = Path(arguments.output, run.folder)
        if len(request.runs) > 1:
            print(f"{number} of {len(request.runs)}: {run.model}, in {output}", flush=True)
        record = fit(
            run.model,
            dataset,
            recipe,
            output,
            seed=arguments.seed,
            model_arguments=run.arguments,
            count_routes=arguments.count_routes,
            devices=devices,
            checkpoint_every=arguments.checkpoint_every,
            deterministic=arguments.deterministic,
            restart=arguments.restart,
        )
        if devices.writes:
            _report(arguments, f"{run.model} on {dataset.name}", recipe.epochs, record, output)


def _report(arguments: argparse.Namespace, name: str, epochs: int, record: dict[str, Any], output: Path) -> None:
    if arguments.record:
        _append_result(Path(arguments.record), record)
    accuracy, seconds = record["final"]["accuracy"], record["seconds"]
    print(f"{name}: accuracy {accuracy:.4f} (seed {arguments.seed}, {epochs} epochs, {seconds:.0f} s).", end=" ")
    print(f"Everything is in {output}.")


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
