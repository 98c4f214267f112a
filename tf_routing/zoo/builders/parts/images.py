"""The first layers of a network: its image input, standardised where asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.zoo.arguments.input_tensor import find_source


@dataclass(frozen=True)
class ImageInput:
    """Images that a network reads.

    Args:
        input_shape: Tuple `(height, width, channels)`; sides are `None` where images may be of any size.
        standardize: `None`, or a pair of means and deviations per channel of images in [0, 1].
        input_tensor: Symbolic tensor of such images to read, `None` for an input of its own.
    """

    input_shape: tuple[int | None, int | None, int]
    standardize: tuple[Sequence[float], Sequence[float]] | None = None
    input_tensor: Any = None


def add_image_input(images: ImageInput) -> tuple[Any, Any]:
    """Returns the image input `(B, H, W, C)` and the tensor that the first layer reads."""
    x = images.input_tensor
    if x is None:
        x = keras.Input(images.input_shape, name="image")
    return find_source(x), standardize(x, images)


def standardize(x: Any, images: ImageInput) -> Any:
    """Subtracts the means of images and divides by their deviations, where these are given."""
    if images.standardize is None:
        return x
    means, deviations = images.standardize
    variances = [deviation**2 for deviation in deviations]
    return keras.layers.Normalization(mean=list(means), variance=variances, name="standardize")(x)
