"""The forms in which a model is given images: arrays, dicts with other inputs, datasets and generators of batches."""

from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

import keras
import numpy as np

from tf_routing.models.inputs.batch_guard import refuse_endless


def image_input(model: keras.Model) -> Any:
    """Returns the symbolic tensor of the images."""
    return model.input["image"] if isinstance(model.input, dict) else model.inputs[0]


def other_inputs(model: keras.Model) -> list[str]:
    """Returns the names of what a model takes beside images, such as a price of computation."""
    return [name for name in model.input if name != "image"] if isinstance(model.input, dict) else []


def repeat_per_sample(x: Any) -> Any:
    """Returns inputs in which all but the images are columns: a number for all samples is repeated.

    Args:
        x: Images, a dataset of batches, or a dict of `image` and other inputs.

    Example:

    >>> repeat_per_sample({"image": np.zeros((2, 8, 8, 3)), "cost": 1e-9})["cost"].tolist()
    [[1e-09], [1e-09]]
    """
    if hasattr(x, "element_spec"):
        return _reshape_batches(x)
    if not isinstance(x, Mapping) or "image" not in x:
        return x
    # Columns always: Keras would trace anew for another rank, for shapes that it then does not know.
    shape = len(x["image"]), 1
    return {
        name: value if name == "image" else np.broadcast_to(np.reshape(value, (-1, 1)), shape)
        for name, value in x.items()
    }


def _reshape_batches(dataset: Any) -> Any:
    """Returns a dataset of batches whose inputs are columns, but for the images; any other dataset as it is."""
    # Here, since other backends run without it; who has a dataset has imported it.
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        return dataset
    inputs = keras.utils.unpack_x_y_sample_weight(dataset.element_spec)[0]
    if not isinstance(inputs, Mapping) or all(name == "image" or spec.shape.rank != 1 for name, spec in inputs.items()):
        return dataset

    def reshape(inputs: Any, *labels: Any) -> Any:
        """Returns a batch as it came, numbers in columns."""
        columns = {name: value if name == "image" else tf.reshape(value, (-1, 1)) for name, value in inputs.items()}
        return (columns, *labels) if labels else columns

    return dataset.map(reshape)


def count_samples(x: Any) -> int:
    """Returns the number of samples among inputs: arrays, a dict of them, or batches, which are counted one by one."""
    if isinstance(x, Mapping):
        return len(x["image"])
    return len(x) if hasattr(x, "shape") else sum(count_samples(batch) for batch in unpack_batches(x))


def unpack_batches(x: Any) -> Iterator[Any]:
    """Yields the inputs of every batch, without labels, of a dataset, a generator or a list.

    Raises:
        ValueError: If it is a dataset that repeats for ever.
    """
    return (keras.utils.unpack_x_y_sample_weight(batch)[0] for batch in read_batches(x))


def read_batches(x: Any) -> Iterable[Any]:
    """Returns something that yields every batch once, of a dataset, a generator or a list.

    Raises:
        ValueError: If it is a dataset that repeats for ever.
    """
    refuse_endless(x)
    return (x[number] for number in range(x.num_batches)) if isinstance(x, keras.utils.PyDataset) else x


def drop_labels(x: Any) -> Any:
    """Returns what a model is given, a generator as one of inputs alone in the form that Keras reads.

    Example:

    >>> [len(batch) for batch in drop_labels(np.zeros((2, 8, 8, 3)) for _ in range(3))]
    [1, 1, 1]
    """
    return ((inputs,) for inputs in unpack_batches(x)) if isinstance(x, GeneratorType) else x


def to_arrays(x: Any, rank: int) -> Any:
    """Returns inputs as one array, or a dict of arrays: batches are joined, and their labels left out.

    Args:
        x: Images, a dict with more, or batches of either: a dataset, a generator, or a list.
        rank: Integer, number of axes of a batch of images, which tells a list of batches from a list of images.

    Example:

    >>> to_arrays([np.zeros((2, 8, 8, 3)), np.zeros((1, 8, 8, 3))], rank=4).shape
    (3, 8, 8, 3)
    """
    if isinstance(x, Mapping):
        return {name: np.asarray(value) for name, value in repeat_per_sample(x).items()}
    if hasattr(x, "shape") or (isinstance(x, (list, tuple)) and not _are_batches(x, rank)):
        return np.asarray(x)
    parts = [to_arrays(batch, rank) for batch in unpack_batches(x)]
    if not parts:
        return np.zeros((0,) * rank, "float32")
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


def _are_batches(x: Any, rank: int) -> bool:
    return len(x) > 0 and all(isinstance(batch, (Mapping, tuple)) or np.ndim(batch) == rank for batch in x)
