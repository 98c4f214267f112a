"""Finds and loads a trained network from a run's folder or a `.keras` file."""

import json
from pathlib import Path
from typing import Any

import keras

from tf_routing.models import RoutedModel


def load_trained(path: str) -> tuple[RoutedModel, dict[str, Any]]:
    """Loads a network and the record of its run.

    Args:
        path: Folder of a run, or a `.keras` file.

    Returns:
        The model, and the content of the `run.json` beside it (empty where there is none).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds another kind of model.
    """
    file = Path(path) / "model.keras" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        hint = (
            " The run has not finished; `tf-routing fit` continues it."
            if file.parent.joinpath("run.json").exists()
            else ""
        )
        raise FileNotFoundError(f"There is no trained model at {file}.{hint}")
    model = keras.saving.load_model(file)
    if not isinstance(model, RoutedModel):
        raise ValueError(f"{file} holds a {type(model).__name__}, not a RoutedModel.")
    record = file.parent / "run.json"
    return model, json.loads(record.read_text("utf-8")) if record.exists() else {}
