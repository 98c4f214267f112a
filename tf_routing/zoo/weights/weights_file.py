"""Tells whether `weights=` names a file, and which, or is a word for weights that are known by name.

Importing this module does not import Keras.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

IMAGENET = "imagenet"
_MODEL = "model.keras"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ENDINGS = (".keras", ".weights.h5")


def find_weights_file(weights: Any) -> Path | None:
    """Returns the file that `weights` names, or `None` where it is no path but a word.

    What exists is a path, and never taken for a word; so is whatever has a folder or an ending in it. A run's folder
    stands for its `model.keras`.

    Args:
        weights: Text, or a path object.

    Returns:
        Path of a `.keras` or `.weights.h5` file that exists.

    Raises:
        ValueError: If it is a path of something else, or no text at all.
        FileNotFoundError: If there is no such file.
    """
    if not isinstance(weights, (str, os.PathLike)):
        raise ValueError(f"`weights` must be None, a path or a name. Received: weights={weights!r}")
    path = Path(weights)
    looks_like_path = os.path.dirname(os.fspath(weights)) != "" or path.suffix in (".keras", ".h5")
    if isinstance(weights, str) and not looks_like_path and not path.exists():
        return None
    file = path / _MODEL if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise FileNotFoundError(
            f"`weights` names the folder {path}, which holds no {_MODEL}: no run, or one that is not finished. "
            "Weights that are known by this name are not meant where a folder has it: start from another folder."
        )
    if not file.name.endswith(_ENDINGS):
        raise ValueError(_explain_endings(file))
    if not file.is_file():
        raise FileNotFoundError(f"`weights` names no file: {file}")
    return file


def check_whole(file: Path) -> None:
    """Refuses a file that is not what its ending says; Keras would say that there is none, or name no file.

    Args:
        file: What `find_weights_file` returns.

    Raises:
        ValueError: If it is damaged, or was written by something else.
    """
    if not _has_signature(file):
        raise ValueError(
            f"`weights` names {file}, which is damaged or no file that Keras wrote with this ending: save or copy it "
            "again."
        )


def _has_signature(file: Path) -> bool:
    if file.suffix == ".keras":
        return zipfile.is_zipfile(file)
    with file.open("rb") as stream:
        return stream.read(len(_HDF5)) == _HDF5


def _explain_endings(file: Path) -> str:
    if file.suffix == ".h5":
        return (
            f"`weights` names {file}, a whole model in the old format, which holds no objective and none of the "
            "settings that weights need: save it with `model.save('model.keras')`, or weights alone with "
            "`model.save_weights('model.weights.h5')`."
        )
    return (
        "`weights` must be None, 'imagenet' for some networks, the tag of released weights, the folder of a run, or "
        f"the path of a `.keras` or `.weights.h5` file. Received: weights={os.fspath(file)!r}"
    )
