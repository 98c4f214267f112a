"""Measures what a network is worth at budgets of computation, on other images than it was calibrated with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tf_routing import cost
from tf_routing.data import Dataset
from tf_routing.data.calibration import calibration_split, set_apart
from tf_routing.data.images.picture_files import name_broken_files
from tf_routing.evaluation.accuracies import accuracies
from tf_routing.evaluation.model_batches import model_batches
from tf_routing.evaluation.routing_statistics import distinct_routes
from tf_routing.models import RoutedModel
from tf_routing.models.budgets.set_budget import apply_budget
from tf_routing.runs.trained_network import as_trained
from tf_routing.transforms.budgets.calibration import calibrate_budgets


def measure_budgets(
    model: RoutedModel, calibration: Any, test: Any, budgets: Sequence[float] | None, batch_size: int
) -> dict[str, Any]:
    """Calibrates a network to budgets and measures it at each of them.

    Args:
        model: A network with routers. It keeps the budgets; its thresholds stay the trained ones.
        calibration: Images to find thresholds with, a set of the network's size.
        test: Other images to be measured on.
        budgets: Shares of the network's `static_cost`; five evenly from the least to the most where not given.
        batch_size: Integer, images per forward pass.

    Returns:
        Dict of `calibration_images`, `test_images` and `static_macs`; `trained`, what the network does with its
        trained thresholds; and `budgets`, a list: `budget`, `mean_macs` and their `share` of the static cost,
        `deviation` of that from the budget relative to it, `accuracy`, `distinct_routes`, and `calibrated_share`,
        what calibration images executed.

    Raises:
        ValueError: See `calibrate_budgets`.
    """
    with name_broken_files(calibration, test):
        rows = calibrate_budgets(model, model_batches(model, calibration, batch_size), budgets, calibration.labels)
        results: dict[str, Any] = {
            "calibration_images": calibration.image_count,
            "test_images": test.image_count,
            "static_macs": model.static_cost,
            "trained": _measure(model, test, batch_size),
            "budgets": [],
        }
        for row in rows:
            # `calibrate_budgets` has named those that no threshold meets.
            apply_budget(model, row.budget)
            found = _measure(model, test, batch_size)
            deviation = found["share"] / row.budget - 1
            results["budgets"].append(
                {"budget": row.budget, **found, "deviation": deviation, "calibrated_share": row.share}
            )
        model.set_budget(None)
    return results


def divide_images(dataset: Dataset, model: RoutedModel, record: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """Returns images to calibrate a trained network with, others to measure it on, and in words where they come from.

    They are training images that its run set apart, and the test images; the halves of these where it set none apart.

    Args:
        dataset: What the network learnt, as it was loaded.
        model: The network.
        record: That of its run, or an empty dict; see `as_trained`.
    """
    share = record.get("arguments", {}).get("calibration_share")
    if share is not None:
        part, test = calibration_split(dataset, share)[1], dataset.test
        source = f"Calibrated on {part.image_count} training images that the run set apart."
    else:
        test, part = set_apart(dataset.test, 0.5)
        source = (
            f"Calibrated on half of the test images, {part.image_count}, and measured on the others: the run set no "
            "training images apart (`tf-routing fit --calibration_share`)."
        )
    part, test = (as_trained(dataset._replace(test=each), model, record).test for each in (part, test))
    return part, test, source


def _measure(model: RoutedModel, images: Any, batch_size: int) -> dict[str, Any]:
    batches = model_batches(model, images, batch_size)
    routes = model.routes(batches)
    mean = float(cost.executed_macs(model, routes, images.image_count).mean())
    return {
        "mean_macs": mean,
        "share": mean / model.static_cost,
        **accuracies(model.predict(batches, verbose=0), np.asarray(images.labels)),
        "distinct_routes": distinct_routes(routes),
    }


def add_rivals(results: dict[str, Any], runs: Sequence[Mapping[str, Any]], dataset: str) -> None:
    """Sets beside each budget, as `static`, the cheapest static network that was at least as accurate, if there is one.

    Args:
        results: What `measure_budgets` returned, which is changed.
        runs: See `static_rival`.
        dataset: See `static_rival`.
    """
    for row in results["budgets"]:
        rival = static_rival(runs, dataset, row["accuracy"])
        row |= {"static": rival} if rival else {}


def static_rival(runs: Iterable[Mapping[str, Any]], dataset: str, accuracy: float) -> dict[str, Any] | None:
    """Returns the cheapest static network that was at least as accurate, `None` where there is none.

    Args:
        runs: Results of trainings, as `tf-routing fit --record` and campaigns write them.
        dataset: Name of the dataset on which they count.
        accuracy: Float, the accuracy to reach.

    Returns:
        Dict of `model`, its `model_arguments`, `macs`, `accuracy` and `seed`.

    Example:

    >>> run = {"model": "resnet20", "dataset": "cifar10", "model_arguments": {}, "seed": 0, "accuracy": 0.9, "macs": 40}
    >>> static_rival([run], "cifar10", 0.85)["macs"]
    40
    """
    rivals = []
    for run in runs:
        final = run.get("final", run)
        # Networks that decide say what their images executed; a tree of one branch, which is static, says it too.
        executed = final.get("executed_macs", final.get("mean_macs", final["macs"]))
        if run["dataset"] == dataset and executed == final["macs"]:
            named = {key: run[key] for key in ("model", "model_arguments", "seed")}
            rivals.append({**named, "macs": final["macs"], "accuracy": final["accuracy"]})
    return min((each for each in rivals if each["accuracy"] >= accuracy), key=lambda each: each["macs"], default=None)
