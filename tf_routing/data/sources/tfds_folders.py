"""Finds the folders in which TensorFlow Datasets prepared a dataset, without running the code of what it finds."""

import json
import os
import re
from typing import Any

from tf_routing.support.extras import describe_missing, import_extra

_NAME = re.compile(r"(?P<dataset>\w+)(/(?P<config>[\w.+-]+))?(:(?P<version>\d+\.\d+\.\d+))?")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
# A folder is prepared when this file lies in it.
_FEATURES = "features.json"


def data_folder(data_dir: str | None) -> str:
    """Returns the folder given, else `TFDS_DATA_DIR`, else the default of TensorFlow Datasets."""
    return os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")


def find_prepared(name: str, data_dir: str | None) -> str | None:
    """Finds a prepared dataset.

    Args:
        name: `"name"`, `"name/config"`, `"name:version"` or `"name/config:version"`.
        data_dir: Folder of TensorFlow Datasets; see `data_folder`.

    Returns:
        The folder of its files, the newest version where none is given; `None` where there is none.

    Raises:
        ValueError: If the dataset has several configurations, none of them its default, and the name does not choose.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        return None
    root = os.path.join(data_folder(data_dir), parts["dataset"])
    folder = os.path.join(root, parts["config"]) if parts["config"] else _default_config(root)
    versions = [parts["version"]] if parts["version"] else sorted(_versions(folder), key=_numbers)
    found = [os.path.join(folder, version) for version in versions]
    return found[-1] if found and _exists(os.path.join(found[-1], _FEATURES)) else None


def exists_in(name: str, data_dir: str | None) -> bool:
    """Returns whether the folder of TensorFlow Datasets has a dataset of this name, complete or not."""
    return _exists(os.path.join(data_folder(data_dir), name))


def import_tfds(name: str) -> Any:
    """Returns the module that reads a prepared dataset, or raises an `ImportError` that names the extra with it."""
    return import_extra("tensorflow_datasets", "datasets", f"Dataset {name!r}")


def require_tfds(name: str) -> None:
    """Raises an `ImportError` if what reads a prepared dataset is not installed, without importing it."""
    missing = describe_missing("tensorflow_datasets", "datasets", f"Dataset {name!r}")
    if missing:
        raise ImportError(missing)


def describe_download(name: str, folder: str) -> str:
    """Returns the message for a known dataset that is not in the folder: how to get it."""
    missing = describe_missing("tensorflow_datasets", "datasets", "It")
    return (
        f"Dataset {name!r} is not prepared in {folder}. Point --data_dir or TFDS_DATA_DIR to a folder that has it, or "
        f"download it there with: python -c \"import tensorflow_datasets as tfds; tfds.load('{name}')\". "
        f"`--dataset digits` needs no download.{missing and f' {missing}'}"
    )


def list_prepared(data_dir: str | None) -> list[str]:
    """Returns the names of all datasets prepared in the folder, those of configurations in full."""
    root = data_folder(data_dir)
    names = []
    for dataset in _folders(root):
        inside = os.path.join(root, dataset)
        names += [dataset] if _versions(inside) else [f"{dataset}/{config}" for config in _configs(inside)]
    return names


def check_features(folder: str) -> None:
    """Raises a `ValueError` if a dataset needs code that is not part of TensorFlow Datasets.

    Features are named by Python class, and reading them imports the class's module. The file could name any.
    """
    foreign = [
        name for name in _class_names(_read_json(folder, _FEATURES)) if not name.startswith("tensorflow_datasets.")
    ]
    if foreign:
        raise ValueError(
            f"The dataset in {folder} is read by code that is not part of TensorFlow Datasets, which is not run. "
            f"Received: {', '.join(foreign)}"
        )


def _default_config(root: str) -> str:
    configs = _configs(root)
    if _versions(root) or not configs:
        return root
    default = configs[0] if len(configs) == 1 else _named_default(root)
    if default not in configs:
        raise ValueError(
            f"Dataset {os.path.basename(root)!r} has several configurations. Choose one of: "
            f"{', '.join(f'{os.path.basename(root)}/{config}' for config in configs)}."
        )
    return os.path.join(root, default)


def _named_default(root: str) -> str | None:
    metadata = os.path.join(root, ".config")
    exists = _exists(os.path.join(metadata, "metadata.json"))
    return _read_json(metadata, "metadata.json").get("default_config_name") if exists else None


def _configs(root: str) -> list[str]:
    return [name for name in _folders(root) if _versions(os.path.join(root, name))]


def _versions(folder: str) -> list[str]:
    names = [name for name in _folders(folder) if _VERSION.fullmatch(name)]
    return [name for name in names if _exists(os.path.join(folder, name, _FEATURES))]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _class_names(features: Any) -> list[str]:
    if isinstance(features, list):
        return [name for each in features for name in _class_names(each)]
    if not isinstance(features, dict):
        return []
    named = [str(value) for key, value in features.items() if key in ("pythonClassName", "python_class_name")]
    return named + [name for value in features.values() for name in _class_names(value)]


# TensorFlow's file functions read cloud storage too; names on this machine are known without waiting for TensorFlow.


def _is_remote(path: str) -> bool:
    return "://" in path


def _folders(folder: str) -> list[str]:
    if not _is_remote(folder):
        if not os.path.isdir(folder):
            return []
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    from tensorflow.io import gfile

    if not gfile.isdir(folder):
        return []
    names = sorted(name.rstrip("/") for name in gfile.listdir(folder))
    return [name for name in names if gfile.isdir(os.path.join(folder, name))]


def _exists(path: str) -> bool:
    if not _is_remote(path):
        return os.path.exists(path)
    from tensorflow.io import gfile

    return gfile.exists(path)


def _read_json(folder: str, file: str) -> Any:
    path = os.path.join(folder, file)
    if not _is_remote(path):
        with open(path, encoding="utf-8") as opened:
            return json.load(opened)
    from tensorflow.io import gfile

    with gfile.GFile(path) as opened:
        return json.loads(opened.read())
