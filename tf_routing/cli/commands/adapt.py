"""`tf-routing adapt`: adds routing to a network that was made elsewhere, and trains what was added."""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.cli.options import add_dataset_options
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.data import datasets
from tf_routing.runs.run_record import check_folder
from tf_routing.train.recipes.recipe import load_recipe

_DEFAULT = "adapt"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the network, what is added to it, the pictures, and what to write."""
    parser.add_argument("--keras", required=True, metavar="FILE", help=".keras file of a classifier")
    add_dataset_options(parser, "digits")
    parser.add_argument("--how", default="skip", choices=("skip", "exit", "both"), help="what is decided per image")
    about = "what black and white are to the network, such as 0 255; found in its first layers where not given"
    parser.add_argument("--input_range", type=float, nargs=2, metavar=("BLACK", "WHITE"), help=about)
    parser.add_argument("--logits", action="store_true", help="the network answers with logits, not probabilities")
    parser.add_argument("--cost_weight", type=float, default=0.05, help="weight of what is executed")
    about = "share of the training images on which thresholds for budgets are found"
    parser.add_argument("--calibration_share", metavar="SHARE", type=float, default=0.2, help=about)
    parser.add_argument("--recipe", default=_DEFAULT, help="name of a recipe, or a .toml file")
    for name, kind in (("epochs", int), ("batch_size", int), ("learning_rate", float)):
        parser.add_argument(f"--{name}", type=kind, help="in the place of the recipe's")
    parser.add_argument("--seed", type=int, default=0, help="of routers, order and augmentation")
    parser.add_argument("--output", required=True, help="folder of the run; one that stopped goes on")
    about = "steps between checkpoints within an epoch; 0 for none but at its end"
    parser.add_argument("--checkpoint_every", metavar="STEPS", type=int, default=0, help=about)
    parser.add_argument("--restart", action="store_true", help="begin anew where a run stopped or finished")


def run(arguments: argparse.Namespace) -> None:
    """Adapts a network, and prints what it does at each budget."""
    network = Path(arguments.keras)
    if not network.is_file():
        raise FileNotFoundError(f"There is no file at {network}.")
    changes = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "learning_rate")}
    recipe = load_recipe(arguments.recipe).changed(**changes)
    output = Path(arguments.output)
    check_folder(output)
    name = arguments.dataset or "digits"
    datasets.check(name, arguments.data_dir)
    start_quietly(onednn="1")
    from tf_routing.train.adaptation import Adaptation, adapt
    from tf_routing.train.distribution.devices import open_devices

    # Before anything else uses TensorFlow.
    devices = open_devices()
    taken = None if arguments.input_range is None else tuple(arguments.input_range)
    adaptation = Adaptation(
        arguments.how,
        taken,
        "softmax" if arguments.logits else None,
        arguments.cost_weight,
        arguments.calibration_share,
    )
    options = {name: getattr(arguments, name) for name in ("seed", "checkpoint_every", "restart")}
    dataset = datasets.load(name, arguments.data_dir)
    record = adapt(network, dataset, recipe, output, adaptation, devices=devices, **options)
    _report(output, record)


def _report(output: Path, record: dict[str, Any]) -> None:
    final = record["final"]
    print(f"{final['agreement']:.4f} of the test images get the answer of the whole network. Budgets:")
    for row in record["budgets"]:
        print(f"  {row['budget']:.3f} of {final['macs']:,} MACs")
    chosen = f"{output} --budget {record['budgets'][0]['budget']:.3f}"
    print(f"Everything is in {output}: `tf-routing export {chosen} --output FOLDER` writes a SavedModel that skips.")
