"""Datasets that TensorFlow Datasets has prepared on this machine."""

import os

import numpy as np

from tf_routing.data.datasets import Dataset, ImageSet


def load_prepared(name: str, data_dir: str | None, mirrors: bool) -> Dataset:
    """Returns a prepared dataset as arrays; raises `FileNotFoundError` where it is not prepared."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=data_dir)
    if not os.path.isdir(builder.data_dir):
        raise FileNotFoundError(
            f"Dataset {name!r} is not prepared in {os.path.dirname(os.path.dirname(builder.data_dir))}. Point "
            "--data_dir or TFDS_DATA_DIR to a folder that has it, or download it there with: "
            f"python -c \"import tensorflow_datasets as tfds; tfds.load('{name}')\". "
            "`--dataset digits` needs no download."
        )
    return Dataset(
        name, _read(builder, "train"), _read(builder, "test"), list(builder.info.features["label"].names), mirrors
    )


def _read(builder: object, split: str) -> ImageSet:
    import tensorflow_datasets as tfds

    # In the order of the files, whatever the number of cores: the order is part of what a seed repeats.
    everything = builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)  # type: ignore[attr-defined]
    arrays = tfds.as_numpy(everything)
    return ImageSet(np.asarray(arrays["image"]), np.asarray(arrays["label"]))
