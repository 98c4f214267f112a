"""Tells, once per model, that images are no light between black and white."""

from typing import Any

import keras
import numpy as np

from tf_routing.core.pixel_values import HIGHEST, LOWEST
from tf_routing.models.inputs.images import image_part, takes_floats
from tf_routing.support.notices import warn

_LOOKED_AT = 32


def tell_far_images(model: keras.Model, x: Any, argument: str) -> bool:
    """Warns, once per model, if the first of some images lie far outside [0, 1], and returns whether they had values.

    Args:
        model: The model.
        x: Images, or a dict with more; what has no values, such as a symbolic tensor or a dataset, passes.
        argument: What the caller calls `x`.
    """
    if model.__dict__.get("_told_far") or not takes_floats(model):
        return True
    values = _first_values(image_part(x))
    if values is None:
        return False
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low >= LOWEST and high <= HIGHEST:
        return True
    _remember(model)
    warn(
        f"`{argument}` holds values from {low:.3g} to {high:.3g}, and {model.name!r} takes floats in [0, 1]: its "
        "answers may mean nothing. Divide by 255 what were bytes, and leave standardisation to the network, unless it "
        "was trained on such values. This is said once per model."
    )
    return True


def _first_values(images: Any) -> np.ndarray | None:
    """The finite values of the first images, or `None` where there are none to see."""
    if not hasattr(images, "shape") or not len(images.shape) or keras.backend.is_keras_tensor(images):
        return None
    try:
        seen = np.asarray(images[:_LOOKED_AT] if isinstance(images, np.ndarray) else images)[:_LOOKED_AT]
    except (TypeError, NotImplementedError, ValueError):
        # While a graph is traced, tensors have no values.
        return None
    floats = seen.dtype.kind == "f" or seen.dtype.name.startswith("bfloat")
    return seen[np.isfinite(seen)].astype("float64") if floats else np.zeros(0)


def _remember(model: keras.Model) -> None:
    # Of an ensemble the members too, which are given the same images.
    model.__dict__["_told_far"] = True
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _remember(layer)
