"""Finds and loads a trained network from a run's folder or a `.keras` file."""

import json
from typing import Any

import keras

from tf_routing.data import Dataset
from tf_routing.models import RoutedModel
from tf_routing.models.inputs import image_input
from tf_routing.train.trained_file import trained_file


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
    file = trained_file(path)
    model = keras.saving.load_model(file)
    if not isinstance(model, RoutedModel):
        raise ValueError(f"{file} holds a {type(model).__name__}, not a RoutedModel.")
    record = file.parent / "run.json"
    return model, json.loads(record.read_text("utf-8")) if record.exists() else {}


def as_trained(dataset: Dataset, model: RoutedModel, first_classes: int | None, resize: int | None) -> Dataset:
    """Returns a dataset with the classes that a network learnt, cut out of pictures as it learnt them.

    Args:
        dataset: The dataset.
        model: The network, which knows the size of its images.
        first_classes: Integer, number of classes to keep; all where not given.
        resize: See `Dataset.sized`; where not given, the size is left to the caller.
    """
    kept = dataset.first_classes(first_classes) if first_classes else dataset
    return kept.sized(image_input(model).shape[1], resize=resize) if resize else kept
