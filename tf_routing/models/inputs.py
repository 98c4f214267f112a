"""What a routed model is given: images, or images with something beside them."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def image_input(model: keras.Model) -> Any:
    """Returns the symbolic tensor of the images."""
    return model.input["image"] if isinstance(model.input, dict) else model.inputs[0]


def per_sample(x: Any) -> Any:
    """Returns inputs in which what stands beside the images is a column: a number for all samples is repeated.

    Args:
        x: Images, a dataset of batches, or a dict of `image` and what stands beside it.

    Example:

    >>> per_sample({"image": np.zeros((2, 8, 8, 3)), "cost": 1e-9})["cost"].tolist()
    [[1e-09], [1e-09]]
    """
    if not isinstance(x, Mapping) or "image" not in x:
        return x
    # Columns always: Keras would trace anew for another rank, for shapes that it then does not know.
    shape = len(x["image"]), 1
    return {
        name: value if name == "image" else np.broadcast_to(np.reshape(value, (-1, 1)), shape)
        for name, value in x.items()
    }


def sample_count(x: Any) -> int:
    """Returns the number of samples among inputs that are arrays."""
    return len(x["image"] if isinstance(x, Mapping) else x)
