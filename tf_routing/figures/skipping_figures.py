"""Figures of networks that skip: what images execute, which execute least and most, and which parts run for whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing import analysis, cost, data
from tf_routing.analysis import ImageRow
from tf_routing.data.batching.batches import evaluation_batches
from tf_routing.evaluation.image_versions import images_at
from tf_routing.evaluation.model_batches import model_batches
from tf_routing.evaluation.routing_statistics import is_gated, rates_by_group
from tf_routing.figures.figure_inputs import BATCH, Shown, find_classes, write_title
from tf_routing.models import RoutedModel
from tf_routing.objectives.categories import load_categories, name_categories
from tf_routing.support.validation import positive_integer

_COLUMNS = 8
_COMMAND = "tf-routing fit --model dmnn50_cifar_n2 --dataset cifar100 --recipe dmnn_cifar_short --output runs/dmnn"


def executed_cost(
    output: Path,
    shown: Shown,
) -> None:
    """Draws how many test images execute how much.

    Args:
        output: Picture to write.
        shown: The network, and its images.

    Raises:
        ValueError: If an argument is wrong, or the network runs the same for every image.
        FileNotFoundError: If there is no such network or dataset.
    """
    network, record = _load_skipping(shown)
    found = shown.load_dataset(network, record)
    executed = _count_macs(network, _read_routes(network, found))
    analysis.draw_cost_histogram(executed, output, network.static_cost, write_title("Executed cost", network, found))


def easy_and_hard(
    output: Path,
    shown: Shown,
    classes: Sequence[str] = (),
    rows: int = 2,
) -> None:
    """Draws for some classes the test images that execute least and most, one column per class.

    Args:
        output: Picture to write.
        shown: The network, and its images.
        classes: Names of the classes; the first eight where none are given.
        rows: Integer, images of each class that execute least, and as many that execute most.

    Raises:
        ValueError: If an argument is wrong, or the network runs the same for every image.
        FileNotFoundError: If there is no such network or dataset.
    """
    positive_integer("rows", rows)
    network, record = _load_skipping(shown)
    find_classes(classes, record.get("class_names", classes))
    found = shown.load_dataset(network, record)
    wanted = find_classes(classes, found.class_names) or list(range(min(_COLUMNS, found.classes)))
    executed = _count_macs(network, _read_routes(network, found))
    extremes = analysis.executed_extremes(executed, found.test.labels, wanted, rows)
    if not extremes:
        raise ValueError(f"`classes` must have test images. Received: classes={list(classes)}, which have none")
    indices = sorted({index for pair in extremes.values() for part in pair for index in part})
    images = dict(zip(indices, images_at(evaluation_batches(found.test, BATCH), indices), strict=True))
    names = [found.class_names[label] for label in extremes]
    drawn = [
        _make_row(which, number, [pair[part] for pair in extremes.values()], images, executed)._replace(
            titles=names if (part, number) == (0, 0) else [""] * len(names)
        )
        for part, which in enumerate(("least", "most"))
        for number in range(rows)
    ]
    analysis.draw_image_rows(drawn, output, write_title("Images that execute least and most", network, found))


def _make_row(
    which: str, number: int, columns: Sequence[Sequence[int]], images: dict[int, np.ndarray], executed: np.ndarray
) -> ImageRow:
    # A class of few images leaves its place empty.
    indices = [column[number] if number < len(column) else None for column in columns]
    label = f"{which} executed" if number == 0 else f"{number + 1}."
    notes = ["" if index is None else f"{executed[index] / 1e6:,.4g} M MACs" for index in indices]
    return ImageRow(label, [None if index is None else images[index] for index in indices], [""] * len(indices), notes)


def execution_rates(
    output: Path,
    shown: Shown,
    groups: Sequence[str] = (),
    categories: str | None = None,
) -> None:
    """Draws the share of the test images of each group for which each sub-block runs.

    Args:
        output: Picture to write.
        shown: The network, and its images.
        groups: Groups of any classes, `"animals=cat,dog"`; a class may be in several, or in none.
        categories: A table of categories, see `objectives.load_categories`; each is a group.

    Raises:
        ValueError: If an argument is wrong, or the network runs the same for every image.
        FileNotFoundError: If there is no such network or dataset.
    """
    network, record = _load_skipping(shown)
    named = [_parse_group(group) for group in groups]
    if len({name for name, _ in named}) < len(named):
        raise ValueError(f"`groups` must have names that differ. Received: {[name for name, _ in named]}")
    for _, names in named:
        find_classes(names, record.get("class_names", names))
    found = shown.load_dataset(network, record)
    members = {name: find_classes(names, found.class_names) for name, names in named}
    if categories is not None:
        table = np.asarray(load_categories(categories, found.classes))
        titles = name_categories(categories, table.tolist())
        by_category = {title: np.flatnonzero(table == number).tolist() for number, title in enumerate(titles)}
        members |= {title: own for title, own in by_category.items() if np.isin(found.test.labels, own).any()}
    for name, classes in members.items():
        if not np.isin(found.test.labels, classes).any():
            raise ValueError(f"`groups` must have test images. Received: {name!r}, whose classes have none")
    rates = rates_by_group(_read_routes(network, found), found.test.labels, members)
    analysis.draw_execution_rates(rates, output, write_title("Execution rate by group", network, found))


def _parse_group(text: str) -> tuple[str, list[str]]:
    name, equals, classes = text.partition("=")
    names = [each.strip() for each in classes.split(",") if each.strip()]
    if not (name.strip() and equals and names):
        raise ValueError(f"A group must be written name=class,class, for example animals=cat,dog. Received: {text!r}")
    return name.strip(), names


def _load_skipping(shown: Shown) -> tuple[RoutedModel, dict[str, Any]]:
    network, record = shown.load_network()
    if not is_gated(network):
        raise ValueError(
            f"`model` must be a network whose images skip parts. Received: {network.name!r}, which runs the same for "
            f"all. One is trained by: {_COMMAND}"
        )
    return network, record


def _read_routes(network: RoutedModel, found: data.Dataset) -> dict[str, np.ndarray]:
    return network.routes(model_batches(network, found.test, BATCH))


def _count_macs(network: RoutedModel, routes: dict[str, np.ndarray]) -> np.ndarray:
    return cost.executed_macs(network, routes, len(next(iter(routes.values()))))
