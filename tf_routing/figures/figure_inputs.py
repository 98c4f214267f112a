"""Loads what figures of trained networks show: the network, its dataset, and the values of its gates."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track

from tf_routing import analysis, data
from tf_routing.analysis import GateAddress
from tf_routing.data.batching.batches import evaluation_batches
from tf_routing.models import RoutedModel
from tf_routing.runs.run_record import choose_dataset, run_dataset
from tf_routing.runs.trained_network import as_trained, load_trained, run_framing
from tf_routing.support.validation import unknown

BATCH = 256


class Shown(NamedTuple):
    """What a figure of a trained network shows: the network, and the dataset whose test images it looks at.

    Args:
        folders: One folder of a run, or none.
        model: A `.keras` file where there is no folder.
        dataset: Name of a dataset, see `data.load`; that of the run where not given.
        data_dir: Folder of TensorFlow Datasets.
    """

    folders: Sequence[str] = ()
    model: str | None = None
    dataset: str | None = None
    data_dir: str | None = None

    def load_network(self) -> tuple[RoutedModel, dict[str, Any]]:
        """Returns the model and the record of its run, as `load_trained` returns them.

        Raises:
            ValueError: If there is not exactly one folder or file.
            FileNotFoundError: If there is no such file.
        """
        paths = [*self.folders, *([self.model] if self.model else [])]
        if len(paths) != 1:
            named = ", ".join(paths) or "none"
            raise ValueError(f"One folder of a run, or one `model`, must be given. Received: {named}")
        return load_trained(paths[0])

    def load_dataset(self, model: RoutedModel, record: dict[str, Any]) -> data.Dataset:
        """Loads the dataset in the network's size.

        The run's dataset is shown with the classes of the run, in its order; pictures of any are cut as the run cut
        them.

        Args:
            model: The network.
            record: The record of its run, or an empty dict.

        Returns:
            A `Dataset`.

        Raises:
            ValueError: If there is no name, or images are not those of the network.
            FileNotFoundError: If the dataset is not prepared.
        """
        name = choose_dataset(self.dataset, record)
        prepare_dataset = record if name == run_dataset(record) else {"framing": run_framing(record)}
        found = as_trained(data.load(name, self.data_dir), model, prepare_dataset)
        if found.image_shape != tuple(model.input_shape[1:]):
            raise ValueError(
                f"`dataset` must hold images of shape {tuple(model.input_shape[1:])} for {model.name!r}. "
                f"Received: dataset={name!r} with images of shape {found.image_shape}"
            )
        found.check_labels()
        return found


def write_title(what: str, model: RoutedModel, dataset: data.Dataset) -> str:
    """Returns the title of a figure of a network and its images."""
    return f"{what}, {model.name} on {dataset.name}"


def find_classes(classes: Sequence[str], known: Sequence[str]) -> list[int]:
    """Returns the indices of classes by name, or raises a `ValueError` with close matches."""
    for name in classes:
        if name not in known:
            raise ValueError(unknown("class", name, known))
    return [list(known).index(name) for name in classes]


def select_classes(images: Any, wanted: Sequence[int]) -> Any:
    """Returns batches of the images of some classes, given by their indices, with these."""
    import tensorflow as tf

    rows = evaluation_batches(images, BATCH).unbatch()
    return rows.filter(lambda _, label: tf.reduce_any(tf.equal(tf.cast(label, tf.int64), wanted))).batch(BATCH)


def read_gates(
    model: RoutedModel, gates: Sequence[GateAddress], batches: Any, count: int
) -> tuple[dict[GateAddress, np.ndarray], np.ndarray]:
    """Reads gates on many images, with a progress bar.

    Args:
        model: A multi-path network.
        gates: The gates.
        batches: A `tf.data.Dataset` of batches of `BATCH` images and class indices.
        count: Integer, number of images.

    Returns:
        Pair of a dict from gate to its values `(count,)`, and the class indices `(count,)`.
    """
    values, labels = [], []
    for images, batch_labels in track(batches.as_numpy_iterator(), "Gate values", total=-(-count // BATCH)):
        values.append(analysis.gate_values(model, gates, images, len(images)))
        labels.append(batch_labels)
    return {gate: np.concatenate([batch[gate] for batch in values]) for gate in gates}, np.concatenate(labels)
