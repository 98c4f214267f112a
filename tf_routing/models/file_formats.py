"""The formats of files that hold a whole model."""

import os
from typing import Any


def check_saved_as(filepath: Any) -> None:
    """Raises a `ValueError` if a path has an ending of Keras's old format, which loses what a model does beside layers.

    Args:
        filepath: Where a model is to be saved.

    Example:

    >>> check_saved_as("runs/model.keras")
    """
    name = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
    if name.endswith((".h5", ".hdf5")):
        raise ValueError(
            "`filepath` must end in `.keras`: Keras's old format cannot hold routed models. For weights alone call "
            f"model.save_weights('model.weights.h5'). Received: filepath={name!r}"
        )
