"""What the end of a run leaves in its folder: the network's file, its routing figure, and its results in the record."""

from pathlib import Path
from typing import Any

import numpy as np

from tf_routing import data
from tf_routing.analysis import draw_routing_flow
from tf_routing.data.batching.batches import add_drawn_inputs, evaluation_batches, first_images
from tf_routing.evaluation.accuracies import nan_predictions, top5_accuracy
from tf_routing.evaluation.exit_statistics import leaves_early, measure_exits
from tf_routing.evaluation.routing_statistics import is_gated, routing_statistics
from tf_routing.models import RoutedModel
from tf_routing.models.decisions import decision_tensors
from tf_routing.runs.run_record import write_record
from tf_routing.runs.trained_file import write_trained
from tf_routing.runs.trained_network import framing_record
from tf_routing.support.extras import describe_missing
from tf_routing.support.files import explain_write_errors

EVALUATION_BATCH = 256
_PICTURED = 3


def save_results(
    model: RoutedModel, dataset: data.Dataset, output: Path, record: dict[str, Any], parameters: int
) -> None:
    """Saves and draws a trained network, and writes what it is worth into the record of its run.

    Args:
        model: The network, on one device.
        dataset: What it was trained on.
        output: Folder of the run.
        record: What `run.json` holds; it gets `final`, `class_names` and `framing`.
        parameters: Integer, how many there are.
    """
    tested = evaluation_batches(dataset.test, EVALUATION_BATCH)
    drawn = add_drawn_inputs(tested, model.default_objective().drawn_inputs, record["arguments"]["seed"])
    results = model.evaluate(drawn, verbose=0, return_dict=True)
    write_trained(model, output)
    _draw(model, dataset, output / "routing.png")
    record["final"] = {
        **{name: float(value) for name, value in results.items()},
        "parameters": parameters,
        "macs": model.static_cost,
        **_measure(model, drawn, tested, dataset.test.labels),
    }
    record["class_names"] = dataset.class_names
    record["framing"] = framing_record(dataset.test)
    write_record(output, record)


def _draw(model: RoutedModel, dataset: data.Dataset, path: Path) -> None:
    if not any(len(decision.shape) == 3 for decision in decision_tensors(model).values()):
        return
    missing = describe_missing("matplotlib", "figures", str(path))
    if missing:
        print(missing)
        return
    images, labels = first_images(dataset.test, _PICTURED)
    with explain_write_errors(path):
        draw_routing_flow(model, images, path, [dataset.class_names[label] for label in labels])


def _measure(model: RoutedModel, drawn: Any, tested: Any, labels: np.ndarray) -> dict[str, Any]:
    """What classes and routes of the test images come to."""
    probabilities = model.predict(drawn, verbose=0)
    found = {**top5_accuracy(probabilities, labels), **nan_predictions(probabilities)}
    routes = model.routes(drawn) if is_gated(model) else {}
    if routes:
        found |= routing_statistics(model, routes)
    if leaves_early(model):
        found |= measure_exits(model, tested, probabilities, routes, labels)
    return found
