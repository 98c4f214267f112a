"""Datasets whose images stay in files: what TensorFlow Datasets prepared, and folders of pictures."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from tf_routing.data.datasets import Dataset, list_datasets
from tf_routing.data.images.image_stream import ImageStream
from tf_routing.data.sources.folders import check_features, data_folder, find_prepared, is_there, list_prepared
from tf_routing.data.sources.picture_folder import find_classes, load_pictures
from tf_routing.data.sources.prepared import not_prepared
from tf_routing.support.validation import first_few, unknown

# Of TensorFlow Datasets' image sets, those of letters and digits.
_NO_MIRRORS = {"emnist", "kmnist", "mnist", "mnist_corrupted", "omniglot", "svhn_cropped"}


def load_files(name: str, data_dir: str | None) -> Dataset:
    """Returns a prepared dataset with the features `image` and `label`, or a folder of pictures; see `load`."""
    folder = find_prepared(name, data_dir)
    if folder is not None:
        return _prepared(name, folder)
    if name and os.path.isdir(os.path.expanduser(name)):
        return load_pictures(name)
    raise _missing(name, data_dir)


def check_files(name: str, data_dir: str | None) -> None:
    """Raises what `load_files` would, as far as names of folders tell; imports no TensorFlow and reads no image."""
    if find_prepared(name, data_dir) is not None:
        return
    if not (name and os.path.isdir(os.path.expanduser(name))):
        raise _missing(name, data_dir)
    find_classes(name)


def check_is_there(names: Sequence[str], data_dir: str | None) -> None:
    """Raises a `FileNotFoundError` if the folder of TensorFlow Datasets lacks one of these datasets."""
    for name in names:
        if not is_there(name, data_dir):
            raise FileNotFoundError(not_prepared(name, data_folder(data_dir)))


def _prepared(name: str, folder: str) -> Dataset:
    import tensorflow_datasets as tfds

    check_features(folder)
    builder = tfds.builder_from_directory(folder)
    _check_content(name, builder.info)
    train = _stream(builder.info, "train")
    class_names = list(builder.info.features["label"].names)
    return Dataset(name, train, _test_stream(name, builder.info), class_names, builder.info.name not in _NO_MIRRORS)


def _missing(name: str, data_dir: str | None) -> Exception:
    import tensorflow_datasets as tfds

    if name.partition("/")[0].partition(":")[0] in tfds.list_builders(with_community_datasets=False):
        return FileNotFoundError(not_prepared(name, data_folder(data_dir)))
    known = {*list_datasets(), *list_prepared(data_dir)}
    known |= {folder for folder in _folders_beside(name) if get_close_matches(name, [folder], cutoff=0.6)}
    message = unknown("dataset", name, known, f"Known here: {first_few(list_datasets())}.")
    return ValueError(
        f"{message} Any image set of TensorFlow Datasets can be used once it is prepared in "
        f"{data_folder(data_dir)}; --data_dir or TFDS_DATA_DIR name another folder. Folders of pictures go by "
        "their paths."
    )


def _folders_beside(name: str) -> list[str]:
    """The folders that a mistyped path may have meant."""
    parent = os.path.dirname(os.path.expanduser(name)) or "."
    if not os.path.isdir(parent):
        return []
    with os.scandir(parent) as entries:
        return [os.path.join(os.path.dirname(name), entry.name) for entry in entries if entry.is_dir()]


def _check_content(name: str, info: Any) -> None:
    import tensorflow_datasets as tfds

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
