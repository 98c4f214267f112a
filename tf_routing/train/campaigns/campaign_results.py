"""Reads and writes the results of a campaign: one row of a JSON file per training."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.support.files import write_json
from tf_routing.train.campaigns.campaign_file import Training

_IDENTITY = ("comparison", "label", "seed")
_TRAINED = ("model", "dataset", "recipe", "scale")


class Accuracies(NamedTuple):
    """Test accuracies of the seeds of one network: the best, the mean and the sample deviation."""

    best: float
    mean: float
    deviation: float | None


def results_file(campaign: str) -> Path:
    """Returns the data file of a campaign, beside it: `cifar.json` of `cifar.toml`."""
    return Path(campaign).with_suffix(".json")


def read_results(file: Path) -> list[dict[str, Any]]:
    """Returns the rows of a data file, none where it is not there yet.

    Raises:
        ValueError: If the file cannot be read.
    """
    if not file.exists():
        return []
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): restore it from its last commit.") from error


def add_result(file: Path, training: Training, record: Mapping[str, Any], machine: Mapping[str, Any]) -> None:
    """Adds the row of a finished training to the data file, which is written whole.

    Args:
        file: The data file.
        training: What was trained.
        record: The content of its `run.json`.
        machine: What it was trained on, see `hardware`.
    """
    arguments = record["arguments"]
    row = {name: getattr(training, name) for name in (*_IDENTITY, *_TRAINED)}
    row |= {
        "model_arguments": arguments["model_arguments"],
        "epochs": arguments["recipe"]["epochs"],
        "train_images": arguments["train_images"],
        # The tables by exit and class stay where the run is.
        "final": {key: value for key, value in record["final"].items() if key not in ("exits", "by_cost")},
        "seconds": record["seconds"],
        "processor_seconds": record["processor_seconds"],
        "pieces": 1 + len(record["continued_at_step"]),
        "machine": dict(machine),
        "started": record["started"],
    }
    others = [each for each in read_results(file) if not is_result_of(each, training)]
    write_json(file, [*others, row])


def is_result_of(row: Mapping[str, Any], training: Training) -> bool:
    """Returns whether a row belongs to a training."""
    return all(row[name] == getattr(training, name) for name in _IDENTITY)


def check_results(file: Path, rows: Sequence[Mapping[str, Any]], trainings: Sequence[Training]) -> None:
    """Checks that the campaign still says what its results were trained with.

    Args:
        file: The data file.
        rows: Its rows.
        trainings: Those of the campaign.

    Raises:
        ValueError: If a result was trained with other values than the campaign has now.
    """
    for training in trainings:
        now = {name: getattr(training, name) for name in _TRAINED}
        # Through JSON, so that tuples compare as what the file holds.
        now["model_arguments"] = json.loads(json.dumps({"width_multiplier": 1.0, **training.arguments}))
        if training.epochs is not None:
            now["epochs"] = training.epochs
        for row in rows:
            changed = [f"{name} was {row[name]!r}, now {value!r}" for name, value in now.items() if row[name] != value]
            if changed and is_result_of(row, training):
                raise ValueError(
                    f"{file} holds a result of {training.folder} that was trained otherwise: {'; '.join(changed)}. "
                    "Give the network another `label`, or remove that result and the folder of its run."
                )


def summarize(rows: Sequence[Mapping[str, Any]]) -> Accuracies:
    """Returns the accuracies of the rows of one network.

    Args:
        rows: Its rows, one per seed.

    Example:

    >>> summarize([{"final": {"accuracy": value}} for value in (0.5, 0.75)]).mean
    0.625
    """
    values = [row["final"]["accuracy"] for row in rows]
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Accuracies(max(values), statistics.fmean(values), deviation)
