"""Loads datasets that TensorFlow Datasets prepared as streams of TFRecord files."""

from typing import Any

from tf_routing.data.dataset import Dataset
from tf_routing.data.images.image_stream import ImageStream
from tf_routing.data.sources.tfds_folders import check_features, import_tfds

# Of TensorFlow Datasets' image sets, those of letters and digits: a mirrored one is another or none.
_NO_MIRRORS = {"emnist", "kmnist", "mnist", "mnist_corrupted", "omniglot", "svhn_cropped"}


def load_streams(name: str, folder: str) -> Dataset:
    """Returns a prepared dataset whose images are read from its files as needed.

    Args:
        name: Name of the dataset, for messages.
        folder: The folder of its files, as `find_prepared` returns it.

    Raises:
        ValueError: If it lacks the feature `image` or `label`, or a test split with labels, or has another file format.
        ImportError: If the extra `datasets` is not installed.
    """
    tfds = import_tfds(name)
    check_features(folder)
    builder = tfds.builder_from_directory(folder)
    _check_content(tfds, name, builder.info)
    train = _stream(builder.info, "train")
    class_names = list(builder.info.features["label"].names)
    return Dataset(name, train, _test_stream(name, builder.info), class_names, builder.info.name not in _NO_MIRRORS)


def _check_content(tfds: Any, name: str, info: Any) -> None:
    needed = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    wrong = [key for key, kind in needed.items() if not isinstance(dict(info.features).get(key), kind)]
    if wrong or info.features["image"].np_dtype != "uint8":
        raise ValueError(
            f"Dataset {name!r} must have the features `image`, of type uint8, and `label`, a class. "
            f"Received: {info.features}"
        )
    if info.file_format is not tfds.core.FileFormat.TFRECORD:
        raise ValueError(f"Dataset {name!r} must be prepared as TFRecord files. Received: {info.file_format}")
    if "train" not in info.splits or not {"test", "validation"} & set(info.splits):
        raise ValueError(
            f"Dataset {name!r} must have the splits `train` and either `test` or `validation`. "
            f"Received: {', '.join(info.splits)}"
        )


def _test_stream(name: str, info: Any) -> ImageStream:
    streams = [_stream(info, split) for split in ("test", "validation") if split in info.splits]
    labelled = [stream for stream in streams if stream.first_label >= 0]
    if not labelled:
        raise ValueError(f"Dataset {name!r} has no labels in its splits `test` and `validation`.")
    return labelled[0]


def _stream(info: Any, split: str) -> ImageStream:
    files = tuple(str(file) for file in info.splits[split].filepaths)
    return ImageStream(files, info.splits[split].num_examples)
