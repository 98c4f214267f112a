"""Loads small datasets that TensorFlow Datasets prepared as arrays."""

import os
from typing import Any

import numpy as np

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.sources.tfds_folders import data_folder, describe_download, import_tfds


def load_arrays(name: str, data_dir: str | None, mirrors: bool) -> Dataset:
    """Returns a prepared dataset as arrays; raises `FileNotFoundError` where it is not prepared."""
    tfds = import_tfds(name)
    # TensorFlow Datasets reads its variable once, when it is imported; other datasets here, whenever one is loaded.
    builder = tfds.builder(name, data_dir=data_folder(data_dir))
    if not os.path.isdir(builder.data_dir):
        raise FileNotFoundError(describe_download(name, os.path.dirname(os.path.dirname(builder.data_dir))))
    return Dataset(
        name,
        _read(tfds, builder, "train"),
        _read(tfds, builder, "test"),
        list(builder.info.features["label"].names),
        mirrors,
    )


def _read(tfds: Any, builder: Any, split: str) -> ImageSet:
    # In the order of the files, whatever the number of cores: the order is part of what a seed repeats.
    whole = builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)
    arrays = tfds.as_numpy(whole)
    return ImageSet(np.asarray(arrays["image"]), np.asarray(arrays["label"]))
