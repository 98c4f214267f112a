"""Reads and writes the results of a campaign: one row of a JSON file per training."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_routing.runs.run_record import find_differences
from tf_routing.support.files import read_rows, write_json
from tf_routing.train.campaigns.campaign_file import Training
from tf_routing.train.recipes.recipe import Recipe

_IDENTITY = ("comparison", "label", "seed")
_TRAINED = ("model", "dataset", "recipe", "scale")
_SPEED = ("images_per_second", "share_of_peak")
# What says of a recipe nothing about how it trains.
_NAMES = ("name", "title")
_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Recipe)
    if field.name not in _NAMES and field.default is not dataclasses.MISSING
}


def results_file(campaign: str) -> Path:
    """Returns the data file of a campaign, beside it: `cifar.json` of `cifar.toml`."""
    return Path(campaign).with_suffix(".json")


def read_results(file: Path) -> list[dict[str, Any]]:
    """Returns the rows of a data file, none where it is not there yet.

    Raises:
        ValueError: If the file cannot be read.
    """
    return read_rows(file, "restore it from its last commit")


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
    if training.calibration_share is not None:
        row["calibration_share"] = training.calibration_share
    row |= {
        "model_arguments": arguments["model_arguments"],
        "epochs": arguments["recipe"]["epochs"],
        # The recipe's file may say something else one day.
        "settings": _leave_out_names(arguments["recipe"]),
        "deterministic": record.get("deterministic", False),
        "train_images": arguments["train_images"],
        # The tables by exit and class stay where the run is.
        "final": {key: value for key, value in record["final"].items() if key not in ("exits", "by_cost")},
        "seconds": record["seconds"],
        "processor_seconds": record["processor_seconds"],
        **{name: record[name] for name in _SPEED if name in record},
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
        ValueError: If a result was trained with other values than the campaign and the recipes that it names have now.
    """
    for training in trainings:
        for row in rows:
            changed = is_result_of(row, training) and find_differences(_trained_with(row), _asked_for(training, row))
            if changed:
                raise ValueError(
                    f"{file} holds a result of {training.folder} that was trained otherwise: {'; '.join(changed)}. "
                    "Give the network another `label`, or remove that result and the folder of its run."
                )


def trained_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recipe's values that a row was trained with, as JSON holds them, but for its names.

    Fields that recipes did not have yet had their defaults. Rows of earlier versions hold the epochs alone.
    """
    settings = {**_DEFAULTS, **row["settings"]} if "settings" in row else {"epochs": row["epochs"]}
    return json.loads(json.dumps(settings))


def _trained_with(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in (*_TRAINED, "model_arguments")}
    return {**values, "calibration_share": row.get("calibration_share"), "settings": trained_settings(row)}


def _asked_for(training: Training, row: Mapping[str, Any]) -> dict[str, Any]:
    settings = _leave_out_names(dataclasses.asdict(training.settings))
    if "settings" not in row:
        settings = {"epochs": settings["epochs"]}
    elif settings["image_size"] is None:
        # The dataset decided.
        settings["image_size"] = row["settings"]["image_size"]
    arguments = {"width_multiplier": 1.0, **training.arguments}
    values = {name: getattr(training, name) for name in (*_TRAINED, "calibration_share")}
    # Through JSON, so that tuples compare as what the file holds.
    return json.loads(json.dumps({**values, "model_arguments": arguments, "settings": settings}))


def _leave_out_names(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if name not in _NAMES}
