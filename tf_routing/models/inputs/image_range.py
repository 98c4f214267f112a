"""Warns, once per model, of images whose values lie far outside of its range, such as bytes given as floats."""

from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np

from tf_routing.core.pixel_values import UNIT, find_far_range
from tf_routing.models.inputs.images import image_part, takes_floats
from tf_routing.models.inputs.input_range import input_range, range_in_words
from tf_routing.models.inputs.input_watch import InputWatch
from tf_routing.support.notices import warn

_LOOKED_AT = 32
# A network of so wide a range takes no floats in [0, 1].
_MUCH = 10


@runtime_checkable
class WatchesInputs(Protocol):
    """A model that remembers what it was given."""

    input_watch: InputWatch


def warn_of_far_images(model: keras.Model, x: Any, argument: str) -> bool:
    """Warns, once per model, if the first of some images lie far outside its range; returns whether they had values.

    Of a network that takes bytes as floats those are far that are all between 0 and 1, which to it are black.

    Args:
        model: The model.
        x: Images, or a dict with more; what has no values, such as a symbolic tensor or a dataset, passes.
        argument: What the caller calls `x`.
    """
    if _find_watch(model).has_warned or not takes_floats(model):
        return True
    images = _find_first_images(image_part(x))
    if images is None:
        return False
    is_float = images.dtype.kind == "f" or images.dtype.name.startswith("bfloat")
    taken = input_range(model)
    far = _find_far(images, taken) if is_float else None
    if far is None:
        return True
    low, high = far
    _remember(model)
    warn(
        f"`{argument}` holds values from {low:.3g} to {high:.3g}, and {model.name!r} takes floats in "
        f"{range_in_words(taken)}: its answers may mean nothing. {_advise(taken)} This is said once per model."
    )
    return True


def _find_far(images: np.ndarray, taken: tuple[float, float]) -> tuple[float, float] | None:
    """Returns the lowest and highest value of images that are probably of another range, `None` of any other."""
    low, high = taken
    if taken == UNIT:
        return find_far_range(images)
    far = find_far_range((images - low) / (high - low))
    if far is not None:
        return far[0] * (high - low) + low, far[1] * (high - low) + low
    finite = images[np.isfinite(images)]
    looks_unit = high - low > _MUCH and finite.size and 0 <= finite.min() < finite.max() <= 1
    return (float(finite.min()), float(finite.max())) if looks_unit else None


def _advise(taken: tuple[float, float]) -> str:
    if taken == UNIT:
        return (
            "Divide by 255 what were bytes, and leave standardisation to the network, unless it was trained on such "
            "values."
        )
    return (
        "Give bytes as uint8, and where the network was trained on other values, say so: `add_routing(input_range=)`."
    )


def _find_first_images(images: Any) -> np.ndarray | None:
    """Returns the first images as an array, `None` where they have no values to see."""
    if not hasattr(images, "shape") or not len(images.shape) or keras.backend.is_keras_tensor(images):
        return None
    try:
        return np.asarray(images[:_LOOKED_AT] if isinstance(images, np.ndarray) else images)[:_LOOKED_AT]
    except (TypeError, NotImplementedError, ValueError):
        # While a graph is traced, tensors have no values.
        return None


def _find_watch(model: keras.Model) -> InputWatch:
    # A plain Keras model remembers nothing.
    return model.input_watch if isinstance(model, WatchesInputs) else InputWatch()


def _remember(model: keras.Model) -> None:
    # Of an ensemble the members too, which are given the same images.
    _find_watch(model).has_warned = True
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _remember(layer)
