"""Figures of multi-path networks: what their gates and kernels do, and how accurate they are for their size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from tf_routing import analysis
from tf_routing.analysis import GateImages
from tf_routing.data.batching.batches import evaluation_batches
from tf_routing.evaluation.image_versions import images_at
from tf_routing.figures.figure_inputs import (
    BATCH,
    Shown,
    find_classes,
    read_gates,
    select_classes,
    write_title,
)
from tf_routing.support.validation import not_negative_integer, positive_integer

_EXTREMES = 10


def routing_flow(
    output: Path,
    shown: Shown,
    images: Sequence[int] = (),
) -> None:
    """Draws how test images flow through a network, side by side.

    Args:
        output: Picture to write.
        shown: The network, and its images.
        images: Numbers of test images, from 0.

    Raises:
        ValueError: If an argument is wrong, or the network has no routing layer.
        FileNotFoundError: If there is no such network or dataset.
    """
    network, record = shown.load_network()
    analysis.routing_layers(network)
    indices = [not_negative_integer("images", index) for index in images]
    found = shown.load_dataset(network, record)
    if max(indices) >= found.test.image_count:
        raise ValueError(f"`images` must be below {found.test.image_count:,}. Received: images={indices}")
    rows = images_at(evaluation_batches(found.test, BATCH), indices)
    flows = [analysis.routing_flow(network, image) for image in track(rows, "Routing flows")]
    titles = [f"{found.class_names[found.test.labels[index]]}, image {index}" for index in indices]
    analysis.draw_flow_panels(flows, rows, output, titles, write_title("Routing flow", network, found))


def gate_images(
    output: Path,
    shown: Shown,
    gates: Sequence[str] = (),
    steps: int = 300,
    seed: int = 0,
) -> None:
    """Draws the test images of the highest and lowest values of gates, beside an image made for each gate.

    Args:
        output: Picture to write.
        shown: The network, and its images.
        gates: The gates, see `analysis.find_gate`.
        steps: Integer, steps of gradient ascent.
        seed: Integer, seed of the noise that images are made from.

    Raises:
        ValueError: If an argument is wrong.
        FileNotFoundError: If there is no such network or dataset.
    """
    positive_integer("steps", steps)
    not_negative_integer("seed", seed)
    network, record = shown.load_network()
    addresses = [analysis.find_gate(network, gate) for gate in gates]
    found = shown.load_dataset(network, record)
    values, _ = read_gates(network, addresses, evaluation_batches(found.test, BATCH), found.test.image_count)
    extremes = [np.concatenate(analysis.extreme_indices(values[address], _EXTREMES)) for address in addresses]
    rows = images_at(evaluation_batches(found.test, BATCH), np.concatenate(extremes).tolist())
    panels = []
    for address, indices, images in zip(addresses, extremes, np.split(rows, len(addresses)), strict=True):
        print(f"Making an image for {address}")
        made = analysis.synthesize_image(network, address, steps=steps, seed=seed, verbose=1)
        (highest, lowest), gate_values = np.split(images, 2), np.split(values[address][indices], 2)
        panels.append(GateImages(str(address), highest, gate_values[0], lowest, gate_values[1], made))
    analysis.draw_gate_images(panels, output, write_title("What opens gates", network, found))


def gate_histograms(
    output: Path,
    shown: Shown,
    gates: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> None:
    """Draws how values of gates spread over all test images of some classes.

    Args:
        output: Picture to write.
        shown: The network, and its images.
        gates: The gates, see `analysis.find_gate`.
        classes: Names of the classes.

    Raises:
        ValueError: If an argument is wrong.
        FileNotFoundError: If there is no such network or dataset.
    """
    network, record = shown.load_network()
    addresses = [analysis.find_gate(network, gate) for gate in gates]
    # What the network has learnt is known from the run's record, before the images are loaded.
    find_classes(classes, record.get("class_names", classes))
    found = shown.load_dataset(network, record)
    wanted = find_classes(classes, found.class_names)
    count = int(np.isin(found.test.labels, wanted).sum())
    values, labels = read_gates(network, addresses, select_classes(found.test, wanted), count)
    by_class = {
        str(address): {name: gate[labels == index] for name, index in zip(classes, wanted, strict=True)}
        for address, gate in values.items()
    }
    analysis.draw_gate_histograms(by_class, output, title=write_title("Gate values by class", network, found))


def weight_histograms(output: Path, shown: Shown, layers: Sequence[str] = ()) -> None:
    """Draws how the kernel values of a network's paths spread at some layers.

    Args:
        output: Picture to write.
        shown: The network.
        layers: The layers, see `analysis.path_kernels`.

    Raises:
        ValueError: If an argument is wrong.
        FileNotFoundError: If there is no such network.
    """
    network, _ = shown.load_network()
    kernels = analysis.path_kernels(network, layers)
    analysis.draw_weight_histograms(kernels, output, title=f"Kernels by path, {network.name}")


def accuracy_by_parameters(output: Path, table: str = "Table 3", source: Sequence[str] = ("reported",)) -> None:
    """Draws the accuracies of the networks in a table of the multi-path paper against their numbers of parameters.

    Args:
        output: Picture to write.
        table: Name of the table.
        source: What to draw, see `analysis.accuracy_panels`.

    Raises:
        ValueError: If an argument is wrong, or there is nothing to draw.
    """
    panels = analysis.accuracy_panels(table, source)
    analysis.draw_accuracy_by_parameters(panels, output, f"Accuracy against parameters, networks of {table}")
