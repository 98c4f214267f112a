"""Loads a trained network from a run's folder or a `.keras` file, and shows it a dataset as it was trained."""

import json
import zipfile
from collections.abc import Mapping
from typing import Any

import keras

from tf_routing.data import Dataset, list_datasets
from tf_routing.data.images.decoding.framing import PHOTOGRAPH_CROP
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input
from tf_routing.runs.trained_file import trained_file
from tf_routing.support.validation import positive_integer


def load_trained(path: str) -> tuple[RoutedModel, dict[str, Any]]:
    """Loads a network and the record of its run.

    Args:
        path: Folder of a run, or a `.keras` file.

    Returns:
        The model, and the content of the `run.json` in its folder (empty where there is none).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds another kind of model.
    """
    file = trained_file(path)
    # Keras says of such a file that it is not there.
    if not zipfile.is_zipfile(file):
        raise ValueError(
            f"{file} is no .keras file, whatever its name, or is damaged. Save the model again, or copy it."
        )
    model = keras.saving.load_model(file)
    if not isinstance(model, RoutedModel):
        raise ValueError(f"{file} holds a {type(model).__name__}, not a RoutedModel.")
    record = file.parent / "run.json"
    return model, json.loads(record.read_text("utf-8")) if record.exists() else {}


def as_trained(
    dataset: Dataset,
    model: RoutedModel,
    record: Mapping[str, Any],
    first_classes: int | None = None,
    resize: int | None = None,
) -> Dataset:
    """Returns a dataset as a network has learnt to see it: its classes, in its order, and its part of pictures.

    Classes are matched by name where the record has names; without a record they are taken as they come.

    Args:
        dataset: The dataset.
        model: The network, which knows the size of its images.
        record: That of its run, or an empty dict.
        first_classes: Integer, number of classes to keep; those of the run where not given.
        resize: See `Dataset.sized`; that of the run where not given.

    Raises:
        ValueError: If classes are missing, or there are others than those of the run, and it did not leave some out;
            if images in memory are to be resized.
    """
    kept = _match_classes(dataset, record, first_classes)
    if None not in kept.image_shape:
        # Raises where it would do nothing.
        return kept if resize is None else kept.sized(None, resize=resize)
    framing = run_framing(record)
    if resize is not None:
        framing["resize"] = positive_integer("resize", resize)
    return kept.sized(image_input(model).shape[1], **framing)


def _match_classes(dataset: Dataset, record: Mapping[str, Any], first_classes: int | None) -> Dataset:
    names = record.get("class_names")
    count = _recipe(record).get("first_classes")
    if first_classes is not None:
        count = positive_integer("first_classes", first_classes)
    if names is None:
        return dataset.first_classes(count) if count else dataset
    if first_classes not in (None, len(names)):
        raise ValueError(
            f"`first_classes` must be left out, or be {len(names)}, the classes that the run learnt. "
            f"Received: first_classes={first_classes!r}"
        )
    return dataset.of_classes(names, others=count is not None)


def run_framing(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what evaluation sees of pictures, `crop` and `resize` of a `Framing`: those of the run.

    Without the record of a run it is what is usually seen of photographs.
    """
    if "framing" in record:
        return dict(record["framing"])
    # Records of earlier versions do not say.
    in_memory = record.get("arguments", {}).get("dataset") in list_datasets()
    return {"crop": 1.0 if in_memory else PHOTOGRAPH_CROP, "resize": _recipe(record).get("resize")}


def framing_record(image_set: Any) -> dict[str, Any]:
    """Returns what the record of a run says for `run_framing`.

    Args:
        image_set: The test images.
    """
    return {"crop": image_set.framing.crop, "resize": image_set.framing.resize}


def _recipe(record: Mapping[str, Any]) -> dict[str, Any]:
    recipe = record.get("arguments", {}).get("recipe")
    return recipe if isinstance(recipe, dict) else {}
