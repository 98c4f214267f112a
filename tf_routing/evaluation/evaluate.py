"""Measures a trained network on a test set: accuracy, cost, decisions and times."""

from typing import Any

import numpy as np

from tf_routing import data
from tf_routing.data.batching.batches import evaluation_batches, first_images
from tf_routing.data.images.picture_files import name_broken_files
from tf_routing.evaluation.accuracies import accuracies
from tf_routing.evaluation.exit_statistics import leaves_early, measure_exits
from tf_routing.evaluation.model_batches import model_batches
from tf_routing.evaluation.network_times import BATCH_SIZES, measure_times
from tf_routing.evaluation.routing_statistics import is_gated, rates_by_category, routing_statistics
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input
from tf_routing.objectives.categories import load_categories, name_categories
from tf_routing.support.hardware import hardware

# Enough images for the means and deviations of gate values.
_GATED_IMAGES = 1000


def evaluate(
    model: RoutedModel,
    dataset: data.Dataset,
    batch_size: int,
    *,
    architecture: str | None = None,
    model_arguments: dict[str, Any] | None = None,
    categories: str | None = None,
    rounds: int = 0,
    crops: int = 1,
    versions: bool = False,
) -> dict[str, Any]:
    """Measures a network on a test set.

    Args:
        model: A trained network.
        dataset: Its dataset.
        batch_size: Integer, images per forward pass.
        architecture: The network's name in the zoo; its static baseline is timed too.
        model_arguments: Arguments of the zoo that the network was built with.
        categories: For gated networks: a table of categories, see `objectives.load_categories`.
        rounds: Integer, timed calls; none by default.
        crops: 1 for the centre of each image, or 10 for its corners and centre and their mirror images, whose
            probabilities are averaged. Decisions and cost are those of the centre.
        versions: Boolean, for gated networks: whether to count the images that keep their route when they are cropped,
            flipped and rotated.

    Returns:
        Dict of `dataset`, `images`, `crops`, what `accuracies.accuracies` returns, and `macs` of one crop; with rounds
        `times`, see `network_times.measure_times`, and the `hardware` they hold for. Multi-path nets also have `gates`:
        per decision the mean and the deviation over images of each gate. Gated nets have what
        `routing_statistics.routing_statistics` returns, and `rates_by_category`; early-exit nets what
        `exit_statistics.measure_exits` returns. A network conditioned on the cost of computation takes one drawn for
        each image, but for `by_cost`.

    Raises:
        ValueError: If the dataset's images, labels or classes are not the model's.
    """
    if None in dataset.image_shape:
        dataset = dataset.sized(image_input(model).shape[1])
    _check_matches(model, dataset)
    if versions and not is_gated(model):
        raise ValueError(f"`versions` must be False for {model.name!r}, where no image skips anything. Received: True")
    table = None if categories is None else load_categories(categories, dataset.classes)
    with name_broken_files(dataset.test):
        probabilities = _predict(model, dataset.test, batch_size, crops)
    results = {
        "dataset": dataset.name,
        "images": len(probabilities),
        "crops": crops,
        **accuracies(probabilities, dataset.test.labels),
        "macs": model.static_cost,
    }
    if rounds:
        images = first_images(dataset.test, max(BATCH_SIZES))[0]
        results["times"] = measure_times(model, architecture, model_arguments or {}, images, rounds)
        results["hardware"] = hardware()
    if not is_gated(model):
        return results | {"gates": _summarize_gates(model.routes(first_images(dataset.test, _GATED_IMAGES)[0]))}
    routes = model.routes(model_batches(model, dataset.test, batch_size))
    results |= routing_statistics(model, routes)
    if versions:
        # Here: whatever the backend, images are changed by TensorFlow.
        from tf_routing.evaluation.version_routes import measure_consistency

        results |= measure_consistency(model, dataset)
    if leaves_early(model):
        # Exits are those of the centre, whatever the crops.
        centre = probabilities if crops == 1 else _predict(model, dataset.test, batch_size, crops=1)
        tested = evaluation_batches(dataset.test, batch_size)
        results |= measure_exits(model, tested, centre, routes, dataset.test.labels)
    if table is not None:
        results["rates_by_category"] = rates_by_category(
            routes, dataset.test.labels, table, name_categories(categories, table)
        )
    return results


def _predict(model: RoutedModel, images: Any, batch_size: int, crops: int) -> np.ndarray:
    if crops == 1:
        return model.predict(model_batches(model, images, batch_size), verbose=0)
    batches = model_batches(model, images, batch_size, crops)
    # Batch by batch: of all crops of ImageNet at once, the probabilities alone are two gigabytes.
    predictions = (model.predict_on_batch(images) for images, _ in batches)
    return np.concatenate([rows.reshape(-1, crops, rows.shape[-1]).mean(axis=1) for rows in predictions])


def _summarize_gates(routes: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        name: {"mean": gates.mean(axis=0).tolist(), "deviation": gates.std(axis=0).tolist()}
        for name, gates in routes.items()
    }


def _check_matches(model: RoutedModel, dataset: data.Dataset) -> None:
    expected = tuple(image_input(model).shape[1:]), model.output_shape[-1]
    if expected != (dataset.image_shape, dataset.classes):
        raise ValueError(
            f"{model.name!r} takes images of shape {expected[0]} and knows {expected[1]} classes; {dataset.name!r} "
            f"has {dataset.image_shape} and {dataset.classes}. Choose its data with --dataset."
        )
    dataset.check_labels()
