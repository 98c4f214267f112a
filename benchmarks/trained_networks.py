"""Loads trained networks that benchmarks compare, of runs and released ones, and the images that tell accuracies."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class TrainedNetworks(NamedTuple):
    """Networks of one dataset.

    Args:
        models: Models by name.
        records: What is known of their training, by name.
        calibration: Images that none of them was trained on, to find thresholds with.
        test: Other images, to be measured on.
    """

    models: dict[str, Any]
    records: dict[str, Mapping[str, Any]]
    calibration: Any
    test: Any


def load_networks(names: Sequence[str]) -> TrainedNetworks:
    """Loads networks.

    Training images that all runs set apart alike are there for thresholds, and the test images for accuracies; a fifth
    of each class of the test images, and the others, where the runs set none apart.

    Args:
        names: Folders of runs, or names of released networks.

    Raises:
        SystemExit: If they cannot be compared; the message says why.
    """
    from tf_routing import data
    from tf_routing.data.calibration import set_apart
    from tf_routing.evaluation.budgets import divide_images
    from tf_routing.runs.run_record import run_dataset
    from tf_routing.runs.trained_network import as_trained

    loaded = [_open(name) for name in names]
    datasets = {run_dataset(record) for _, record in loaded}
    if len(datasets) > 1:
        raise SystemExit(f"Runs must be of one dataset. Received: {', '.join(sorted(map(str, datasets)))}")
    labels = [_label(Path(name)) for name in names]
    if len(set(labels)) < len(labels):
        raise SystemExit(f"Networks must have different names. Received: {', '.join(labels)}")
    shares = {record["arguments"].get("calibration_share") for _, record in loaded}
    if len(shares) > 1:
        raise SystemExit(f"Runs must have set the same training images apart. Received: shares {shares}")
    dataset = data.load(datasets.pop())
    if shares == {None}:
        test, calibration = set_apart(as_trained(dataset, *loaded[0]).test, 0.2)
    else:
        calibration, test, _ = divide_images(dataset, *loaded[0])
    models, records = ({label: pair[part] for label, pair in zip(labels, loaded, strict=True)} for part in (0, 1))
    return TrainedNetworks(models, records, calibration, test)


def _open(name: str) -> tuple[Any, Mapping[str, Any]]:
    """Returns a network, of a run or released, and the record of its training."""
    from tf_routing.evaluation.results_table import release_record
    from tf_routing.runs.trained_network import load_trained
    from tf_routing.zoo.weights.release_files import find_release_file
    from tf_routing.zoo.weights.releases import read_releases

    row = next((each for each in read_releases() if each["name"] == name), None)
    if row is None or Path(name).exists():
        return load_trained(name)
    model, _ = load_trained(str(find_release_file(row)))
    return model, {**release_record(row), "processor_seconds": row["training"].get("processor_seconds")}


def _label(folder: Path) -> str:
    return folder.parent.name if folder.name.startswith("seed_") else folder.name


def at_budgets(
    model: Any, networks: TrainedNetworks, budgets: Sequence[float] | None, batch_size: int
) -> Iterator[dict[str, Any]]:
    """Yields what a network does on test images, which it is set to then: its budget, accuracy and mean MACs.

    Args:
        model: A static network, of which there is one to yield; or one that decides, calibrated here to its budgets,
            with its trained thresholds (a budget of `None`) and at each of them.
        networks: Where the images are.
        budgets: Shares of the static cost; five where not given.
        batch_size: Integer, images per forward pass.
    """
    import numpy as np

    from tf_routing.evaluation.accuracies import accuracies
    from tf_routing.evaluation.budgets import measure_budgets
    from tf_routing.evaluation.model_batches import model_batches
    from tf_routing.evaluation.routing_statistics import is_gated

    if not is_gated(model):
        answers = model.predict(model_batches(model, networks.test, batch_size), verbose=0)
        found = accuracies(answers, np.asarray(networks.test.labels))
        yield {"budget": None, "decides": False, **found, "mean_macs": model.static_cost}
        return
    results = measure_budgets(model, networks.calibration, networks.test, budgets, batch_size)
    for found in ({"budget": None, **results["trained"]}, *results["budgets"]):
        model.set_budget(found["budget"])
        kept = {key: found[key] for key in ("budget", "accuracy", "mean_macs", "distinct_routes")}
        yield {"decides": True, **kept}
