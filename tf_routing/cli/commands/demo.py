"""`tf-routing demo`: trains a routed network and its single-path baseline on real images, and runs it as exported."""

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tf_routing import data
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.support.extras import describe_missing
from tf_routing.train.recipes.recipe import load_recipe

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

_ARGUMENTS = {"width_multiplier": 0.25}
_MODELS = ("basecnn", "basecnn_2cc")
_CLASSIFIER = Path(__file__).parents[1] / "classify_export.py"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds how long to train, the seed, and where to write."""
    parser.add_argument("--epochs", type=int, default=6, help="epochs of each network")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and augmentation")
    parser.add_argument("--output", default="runs/demo", help="folder for pictures, runs and the export")


def run(arguments: argparse.Namespace) -> None:
    """Trains both networks at equal epochs, compares them, draws, exports and classifies."""
    start_quietly(onednn="1")

    from tf_routing.exporting import saved_model
    from tf_routing.runs.trained_network import load_trained
    from tf_routing.train.fit import fit

    console, output = Console(), Path(arguments.output)
    dataset = data.load("digits")
    recipe = dataclasses.replace(load_recipe("quick"), epochs=arguments.epochs, batch_size=32)
    records = {}
    for name in _MODELS:
        console.rule(f"training {name}, {recipe.epochs} epochs")
        folder = output / f"{name}_seed{arguments.seed}_epochs{arguments.epochs}"
        records[name] = fit(name, dataset, recipe, folder, seed=arguments.seed, model_arguments=_ARGUMENTS)
    console.print(_comparison_table(records, arguments.seed))
    model, record = load_trained(str(folder))
    _draw_flow(model, dataset, output, console)
    target = output / "saved_model" / folder.name
    if not target.exists():
        saved_model.export(model, target, class_names=record["class_names"])
    _classify(target, dataset, output, console)


def _comparison_table(records: dict[str, dict[str, Any]], seed: int) -> Table:
    table = Table("network", title=f"Handwritten digits, width x {_ARGUMENTS['width_multiplier']}, seed {seed}")
    for heading in ("parameters", "MACs", "test accuracy", "seconds"):
        table.add_column(heading, justify="right")
    for name, record in records.items():
        final = record["final"]
        counts = f"{final['parameters']:,}", f"{final['macs']:,}"
        table.add_row(name, *counts, f"{final['accuracy']:.4f}", f"{record['seconds']:.0f}")
    return table


def _draw_flow(model: "RoutedModel", dataset: data.Dataset, output: Path, console: Console) -> None:
    path = output / "routing_flow.png"
    missing = describe_missing("matplotlib", "figures", str(path))
    if missing:
        print(missing)
        return
    import numpy as np

    from tf_routing.analysis import draw_routing_flow

    # Three digits that look different: the first 0, 1 and 4 of the test set.
    chosen = [int(np.flatnonzero(dataset.test.labels == label)[0]) for label in (0, 1, 4)]
    titles = [dataset.class_names[dataset.test.labels[i]] for i in chosen]
    draw_routing_flow(model, dataset.test.images[chosen] / 255, path, titles)
    console.print(f"Which way three test images went: {path}")


def _classify(target: Path, dataset: data.Dataset, output: Path, console: Console) -> None:
    import numpy as np

    images = output / "images.npy"
    np.save(images, dataset.test.images[:5])
    # A fresh process that knows nothing of this library: the export must stand alone.
    finished = subprocess.run(
        [sys.executable, "-I", _CLASSIFIER, target, images], capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise RuntimeError(f"The export did not run in a fresh process:\n{finished.stderr}")
    answers = json.loads(finished.stdout.splitlines()[-1])
    console.print(f"The SavedModel in {target}, reloaded by TensorFlow alone in a fresh process, says:")
    for label, (name, probability) in zip(dataset.test.labels, answers, strict=False):
        console.print(f"  digit {dataset.class_names[label]}: {name} with probability {probability:.3f}")
