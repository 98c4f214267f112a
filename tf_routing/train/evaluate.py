"""`tf-routing evaluate`: accuracy, cost and decisions of a trained network."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tf_routing import data
from tf_routing.data.batches import evaluation_batches, first_images
from tf_routing.models import RoutedModel
from tf_routing.train.run_record import write_json
from tf_routing.train.trained import load_trained

_GATED_IMAGES = 1000


def run(arguments: argparse.Namespace) -> None:
    """Prints what a trained network reaches on a test set, and writes it where `--output` says."""
    model, _ = load_trained(arguments.path)
    dataset = data.load(arguments.dataset, arguments.data_dir)
    results = evaluate(model, dataset, arguments.batch_size or 256)
    _show(model, results)
    if arguments.output:
        write_json(Path(arguments.output), results)


def evaluate(model: RoutedModel, dataset: data.Dataset, batch_size: int) -> dict[str, Any]:
    """Measures a network on a test set.

    Args:
        model: A trained network.
        dataset: Its dataset.
        batch_size: Integer, images per forward pass.

    Returns:
        Dict of `dataset`, `images`, `accuracy`, `macs`, and `gates`: per decision the mean and the deviation over
        images of each gate.

    Raises:
        ValueError: If the dataset's images or classes are not the model's.
    """
    if None in dataset.image_shape:
        dataset = dataset.sized(model.input_shape[1])
    _check_fit(model, dataset)
    probabilities = model.predict(evaluation_batches(dataset.test, batch_size), verbose=0)
    correct = probabilities.argmax(axis=-1) == dataset.test.labels
    routes = model.routes(first_images(dataset.test, _GATED_IMAGES)[0])
    return {
        "dataset": dataset.name,
        "images": len(correct),
        "accuracy": float(np.mean(correct)),
        "macs": model.static_cost,
        "gates": {
            name: {"mean": gates.mean(axis=0).tolist(), "deviation": gates.std(axis=0).tolist()}
            for name, gates in routes.items()
        },
    }


def _check_fit(model: RoutedModel, dataset: data.Dataset) -> None:
    expected = tuple(model.input_shape[1:]), model.output_shape[-1]
    if expected != (dataset.image_shape, dataset.classes):
        raise ValueError(
            f"{model.name!r} takes images of shape {expected[0]} and knows {expected[1]} classes; {dataset.name!r} "
            f"has {dataset.image_shape} and {dataset.classes}. Choose its data with --dataset."
        )


def _show(model: RoutedModel, results: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"[bold]{model.name}[/bold] on {results['images']:,} test images of {results['dataset']}: accuracy "
        f"{results['accuracy']:.4f}, {results['macs']:,} MACs per image"
    )
    if not results["gates"]:
        return
    table = Table("routing layer", "gate", "mean", "deviation over images")
    for name, gates in results["gates"].items():
        means, deviations = np.array(gates["mean"]), np.array(gates["deviation"])
        for i, j in np.ndindex(means.shape):
            table.add_row(name, f"{i + 1} -> {j + 1}", f"{means[i, j]:.3f}", f"{deviations[i, j]:.3f}")
    console.print(table)
