"""Loads small datasets that TensorFlow Datasets prepared as arrays."""

import os

import numpy as np

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.sources.tfds_folders import describe_download


def load_arrays(name: str, data_dir: str | None, mirrors: bool) -> Dataset:
    """Returns a prepared dataset as arrays; raises `FileNotFoundError` where it is not prepared."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=data_dir)
    if not os.path.isdir(builder.data_dir):
        raise FileNotFoundError(describe_download(name, os.path.dirname(os.path.dirname(builder.data_dir))))
    return Dataset(
        name, _read(builder, "train"), _read(builder, "test"), list(builder.info.features["label"].names), mirrors
    )


def _read(builder: object, split: str) -> ImageSet:
    import tensorflow_datasets as tfds

    # In the order of the files, whatever the number of cores: the order is part of what a seed repeats.
    whole = builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)  # type: ignore[attr-defined]
    arrays = tfds.as_numpy(whole)
    return ImageSet(np.asarray(arrays["image"]), np.asarray(arrays["label"]))
