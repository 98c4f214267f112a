"""Finds and loads datasets by name or path: what TensorFlow Datasets prepared, built-in sets and folders of images."""

import os
from collections.abc import Sequence
from difflib import get_close_matches

from tf_routing.data.dataset import Dataset
from tf_routing.data.sources.image_folder import find_classes, load_image_folder
from tf_routing.data.sources.packed import check_packed, is_packed, load_packed
from tf_routing.data.sources.tfds_folders import (
    data_folder,
    describe_download,
    exists_in,
    find_prepared,
    list_prepared,
    require_tfds,
)
from tf_routing.support.validation import first_few, unknown

# In memory, from TensorFlow Datasets, and whether a mirrored image keeps its class.
_FROM_TFDS = {"cifar10": True, "cifar100": True, "mnist": False, "svhn_cropped": False}
_GROUPED = ("cifar2", "cifar5")
# What must be prepared for a set that is made of others.
_MADE_OF = {"hybrid": ("mnist", "cifar10"), "cifar2": ("cifar10",), "cifar5": ("cifar10",)}


def list_datasets() -> list[str]:
    """Returns the names of the datasets that `load` holds in memory."""
    return ["digits", *_FROM_TFDS, "hybrid", *_GROUPED]


def check(name: str, data_dir: str | None = None) -> None:
    """Checks that a dataset can be loaded, as far as names of folders show; imports no TensorFlow and reads no image.

    Args:
        name: As for `load`.
        data_dir: As for `load`.

    Raises:
        ValueError: If the name is not known, or a folder of pictures lacks what is needed.
        FileNotFoundError: If the dataset is not prepared in the folder; the message says how to get it.
        ImportError: If TensorFlow Datasets prepared it, and the extra `datasets` is not installed.

    Example:

    >>> from tf_routing.data import datasets
    >>> datasets.check("digits")
    """
    packed = _find_packed(name, data_dir)
    if packed is not None:
        check_packed(packed)
    elif name in list_datasets():
        _check_prepared([] if name == "digits" else _MADE_OF.get(name, (name,)), data_dir)
    elif find_prepared(name, data_dir) is None:
        if not _is_folder(name):
            raise _missing(name, data_dir)
        if is_packed(name):
            check_packed(name)
        else:
            find_classes(name)
    else:
        require_tfds(name)


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Loads a dataset.

    Args:
        name: `"digits"` (handwritten digits of this package, resized to 32x32x3; no download), `"cifar10"`,
            `"cifar100"` (fine labels), `"mnist"` or `"svhn_cropped"`, all but the first prepared by TensorFlow
            Datasets; `"hybrid"` (the digits 0 to 4 of `mnist`, coloured, and five classes of `cifar10`), `"cifar2"`
            (horses and others), `"cifar5"` (cats, deer, dogs, horses and others): these come as arrays. Or any other
            image set that is prepared in the folder, as `"name"`, `"name/config"` or `"name/config:version"`, for
            example `"imagenet2012"`: it is read as needed, by `image` and `label`, and needs a size, see
            `Dataset.sized`. Its test images are its split `test`, or `validation` where that one is missing or has no
            labels. Or the path of a folder of pictures, `train/<class>/*.jpg` and the same in `test`, `validation` or
            `val`: it is read in the same way. Or that of a folder with `<class>/*.jpg` alone: a fifth of each class,
            always the same, is held out and is the test set. A name goes before a folder; `"./name"` is always the
            folder. Or the path of a folder that `tf-routing pack` wrote, which needs no TensorFlow.
        data_dir: Folder of TensorFlow Datasets; `TFDS_DATA_DIR` or its default folder where not given. A packed dataset
            in it that has the name goes before all others.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If the name is not known, or the dataset lacks what is needed.
        FileNotFoundError: If the dataset is not prepared in the folder; the message says how to get it.
        ImportError: If TensorFlow Datasets prepared it, and the extra `datasets` is not installed.

    Example:

    >>> from tf_routing import data
    >>> data.load("digits").image_shape
    (32, 32, 3)
    """
    packed = _find_packed(name, data_dir)
    if packed is not None:
        return load_packed(packed)
    if name == "digits":
        from tf_routing.data.sources.digits import load_digits

        return load_digits()
    if name in _FROM_TFDS:
        from tf_routing.data.sources.tfds_arrays import load_arrays

        return load_arrays(name, data_dir, mirrors=_FROM_TFDS[name])
    if name == "hybrid":
        from tf_routing.data.sources.hybrid import load_hybrid

        return load_hybrid(data_dir)
    if name in _GROUPED:
        from tf_routing.data.sources.hybrid import load_grouped

        return load_grouped(name, data_dir)
    return _load_files(name, data_dir)


def _load_files(name: str, data_dir: str | None) -> Dataset:
    folder = find_prepared(name, data_dir)
    if folder is not None:
        from tf_routing.data.sources.tfds_files import load_streams

        return load_streams(name, folder)
    if _is_folder(name):
        return load_packed(name) if is_packed(name) else load_image_folder(name)
    raise _missing(name, data_dir)


def _find_packed(name: str, data_dir: str | None) -> str | None:
    """Returns the folder of the packed dataset of a name, in the folder of datasets, `None` where there is none."""
    folder = os.path.join(data_folder(data_dir), name)
    return folder if name and os.path.basename(name) == name and is_packed(folder) else None


def _is_folder(name: str) -> bool:
    return bool(name) and os.path.isdir(os.path.expanduser(name))


def _check_prepared(names: Sequence[str], data_dir: str | None) -> None:
    for name in names:
        if not exists_in(name, data_dir):
            raise FileNotFoundError(describe_download(name, data_folder(data_dir)))
        require_tfds(name)


def _missing(name: str, data_dir: str | None) -> Exception:
    """Returns the error for a name that is neither prepared nor a folder."""
    if name.partition("/")[0].partition(":")[0] in _list_known():
        return FileNotFoundError(describe_download(name, data_folder(data_dir)))
    known = {*list_datasets(), *list_prepared(data_dir)}
    known |= {folder for folder in _neighbours(name) if get_close_matches(name, [folder], cutoff=0.6)}
    message = unknown("dataset", name, known, f"Known here: {first_few(list_datasets())}.")
    return ValueError(
        f"{message} Any image set of TensorFlow Datasets can be used once it is prepared in "
        f"{data_folder(data_dir)}; --data_dir or TFDS_DATA_DIR name another folder. Folders of pictures go by "
        "their paths."
    )


def _list_known() -> Sequence[str]:
    """Returns the names that TensorFlow Datasets knows, none where it is not installed."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return []
    return tfds.list_builders(with_community_datasets=False)


def _neighbours(name: str) -> list[str]:
    """Returns the folders that a mistyped path may have meant."""
    parent = os.path.dirname(os.path.expanduser(name)) or "."
    if not os.path.isdir(parent):
        return []
    with os.scandir(parent) as entries:
        return [os.path.join(os.path.dirname(name), entry.name) for entry in entries if entry.is_dir()]
