"""Measures a finished run for its report: what `tf-routing evaluate` says, and each image by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_routing import cost, exit_tree, zoo
from tf_routing.data import Dataset
from tf_routing.data.batching.batches import evaluation_batches, first_images
from tf_routing.evaluation.accuracies import accuracies, are_right
from tf_routing.evaluation.exit_statistics import find_exits, measure_exits
from tf_routing.evaluation.model_batches import model_batches
from tf_routing.evaluation.network_times import BATCH_SIZES, measure_times
from tf_routing.evaluation.routing_statistics import is_gated, routing_statistics
from tf_routing.models import RoutedModel
from tf_routing.support.hardware import hardware

GATED_IMAGES = 1000
"""Gates of multi-path networks are read on so many test images, the first ones, as by `evaluate`."""


@dataclass(frozen=True)
class Measurement:
    """What a network did with the test images.

    Args:
        model: The network.
        dataset: Its dataset, as the network sees it.
        results: What `evaluate` returns, of the same names.
        probabilities: Array `(images, classes)`.
        right: Booleans `(images,)`.
        macs: Integers `(images,)`, the multiply-accumulates that were executed.
        switches: 0/1 arrays `(images, choices)` by decision; empty for a network that skips nothing.
        gates: Arrays `(first images, inputs, paths)` by routing layer; empty for a network without paths.
        taken: Names of the exits `(images,)`, `None` for a network that no image leaves early.
    """

    model: RoutedModel
    dataset: Dataset
    results: dict[str, Any]
    probabilities: np.ndarray
    right: np.ndarray
    macs: np.ndarray
    switches: Mapping[str, np.ndarray]
    gates: Mapping[str, np.ndarray]
    taken: np.ndarray | None

    @property
    def labels(self) -> np.ndarray:
        """The true classes `(images,)`."""
        return np.asarray(self.dataset.test.labels)

    @property
    def class_names(self) -> list[str]:
        """Names by class index."""
        return self.dataset.class_names

    @property
    def predicted(self) -> np.ndarray:
        """The first of the most probable classes `(images,)`."""
        return self.probabilities.argmax(axis=1)

    @property
    def tree(self) -> exit_tree.Stage | None:
        """The shape of a network that is left early."""
        return None if self.taken is None else exit_tree.find_tree(self.model)

    @property
    def exit_names(self) -> list[str]:
        """The names of the exits, in order of the tree; none of a network that no image leaves early."""
        return [] if self.tree is None else [leaf.layer for leaf in exit_tree.exits(self.tree)]

    @property
    def block_switches(self) -> dict[str, np.ndarray]:
        """The switches of blocks that images skip; where they leave is another matter."""
        junctions = {} if self.tree is None else exit_tree.junctions(self.tree)
        return {name: each for name, each in self.switches.items() if name not in junctions}

    @property
    def static_macs(self) -> int:
        """What the most expensive image can cost."""
        return self.results["macs"]


def measure(model: RoutedModel, dataset: Dataset, batch_size: int) -> Measurement:
    """Runs the test images through a network.

    Args:
        model: A trained network.
        dataset: Its dataset, as it sees it.
        batch_size: Integer, images per forward pass.
    """
    labels = np.asarray(dataset.test.labels)
    probabilities = model.predict(model_batches(model, dataset.test, batch_size), verbose=0)
    results = {
        "dataset": dataset.name,
        "images": len(probabilities),
        **accuracies(probabilities, labels),
        "macs": model.static_cost,
    }
    switches: dict[str, np.ndarray] = {}
    gates: dict[str, np.ndarray] = {}
    taken = None
    if is_gated(model):
        switches = model.routes(model_batches(model, dataset.test, batch_size))
        results |= routing_statistics(model, switches)
        if exit_tree.find_tree(model) is not None:
            tested = evaluation_batches(dataset.test, batch_size)
            results |= measure_exits(model, tested, probabilities, switches, labels)
            taken = find_exits(model, switches)
    elif model.decision_names:
        gates = model.routes(first_images(dataset.test, GATED_IMAGES)[0])
    return Measurement(
        model=model,
        dataset=dataset,
        results=results,
        probabilities=probabilities,
        right=are_right(probabilities, labels),
        macs=cost.executed_macs(model, switches, len(labels)),
        switches=switches,
        gates=gates,
        taken=taken,
    )


def time_network(measured: Measurement, record: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Times a network and its static baseline, as `evaluate` does.

    Args:
        measured: The network and its images.
        record: That of its run.
        rounds: Integer, timed calls.

    Returns:
        Dict of `times` and the `hardware` they hold for.
    """
    arguments = record["arguments"]
    images = first_images(measured.dataset.test, max(BATCH_SIZES))[0]
    # Cascades and networks made elsewhere have no baseline in the zoo.
    name = arguments.get("model") if arguments.get("model") in zoo.list_models() else None
    times = measure_times(measured.model, name, arguments.get("model_arguments", {}), images, rounds)
    return {"times": times, "hardware": hardware()}
