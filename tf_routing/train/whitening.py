"""Starts the first convolutions of a network from the principal directions of patches of its training images."""

import operator
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.core.private_apis import all_layers
from tf_routing.data.images.image_set import ImageSet

_IMAGES = 1000
# Of each image, along each axis: neighbours show much the same.
_PATCHES = 12


def whiten_first_convolutions(model: keras.Model, images: Any) -> None:
    """Gives the convolutions that no other comes before kernels along the principal directions of what they read.

    Responses to different directions are uncorrelated, and batch normalisation gives them one variance: together they
    whiten the image. A rectifier lets half of a response through, so that each direction comes with its opposite.

    Equation:
        C = cov(p) = E diag(l) E^T,  l_1 >= l_2 >= ...
        w_2i = n_2i e_i,  w_2i+1 = -n_2i+1 e_i

        with p the patches, as large as the kernel, of up to 1000 training images as the network standardises and weighs
        them; e_i the columns of E; and n_j the length of filter j as it was drawn. Where there are more filters than
        directions, the others stay as they were drawn. The paper divides by the roots of l instead, has nothing that
        normalises behind these filters, and does not train them.

    Args:
        model: A functional model.
        images: Training images, in memory.

    Raises:
        ValueError: If the images are not in memory.

    Example:

    >>> from tf_routing import data, zoo
    >>> model = zoo.get("basecnn", width_multiplier=0.125)
    >>> whiten_first_convolutions(model, data.load("digits").train)
    >>> kernel = np.asarray(model.get_layer("conv_1").kernel).reshape(27, 4)
    >>> bool(np.isclose(kernel[:, 0] @ kernel[:, 2], 0, atol=1e-6))
    True

    Reference:
        Jordan (2024), *94% on CIFAR-10 in 3.29 Seconds on a Single GPU*, arXiv:2404.00498, section 3.2.
    """
    if not isinstance(images, ImageSet):
        raise ValueError("`whiten` must be False for images that are not in memory. Received: whiten=True")
    chosen = np.linspace(0, images.image_count - 1, min(_IMAGES, images.image_count)).astype(int)
    for convolution, maps in _first_convolutions(model, images.images[chosen].astype("float32") / 255):
        kernel = np.asarray(convolution.kernel)
        convolution.kernel.assign(principal_kernel(kernel, _patches(maps, kernel.shape[:2])))


def principal_kernel(kernel: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Returns a kernel whose filters are principal directions of patches, in pairs of opposite sign.

    Args:
        kernel: Array `(height, width, channels, filters)`, which gives lengths, and filters beyond the directions.
        patches: Array `(patches, height * width * channels)`.
    """
    filters = kernel.reshape(-1, kernel.shape[-1]).copy()
    lengths = np.linalg.norm(filters, axis=0)
    # In rising order of variance.
    directions = np.linalg.eigh(np.cov(patches, rowvar=False))[1][:, ::-1]
    signed = np.stack([directions, -directions], axis=2).reshape(len(directions), -1)[:, : filters.shape[1]]
    filters[:, : signed.shape[1]] = signed * lengths[: signed.shape[1]]
    return filters.reshape(kernel.shape)


def _patches(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(maps, size, axis=(1, 2))
    step_y, step_x = (-(-places // _PATCHES) for places in windows.shape[1:3])
    # Windows come as (channels, height, width), kernels as (height, width, channels).
    return np.moveaxis(windows[:, ::step_y, ::step_x], 3, 5).reshape(-1, np.prod(size) * maps.shape[-1])


def _first_convolutions(model: keras.Model, images: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Yields convolutions that no other comes before, and the maps that they read."""
    image = next((each for each in model.inputs if each.name == "image"), model.inputs[0])
    unconvolved = {image}
    for call in layer_calls(model):
        if not call.input_tensors or not unconvolved.issuperset(call.input_tensors):
            continue
        convolutions = [layer for layer in all_layers(call.operation) if isinstance(layer, keras.layers.Conv2D)]
        if not convolutions:
            unconvolved.update(call.output_tensors)
            continue
        read = call.input_tensors[0]
        # Not `predict`, which under a strategy of several hosts waits for all of them.
        maps = images if read is image else np.asarray(keras.Model(image, read)(images, training=False))
        if isinstance(call.operation, keras.Model):
            yield from _first_convolutions(call.operation, maps)
        else:
            yield from ((each, maps) for each in convolutions if _reads(each, maps))


def _reads(convolution: Any, maps: np.ndarray) -> bool:
    """Whether a convolution may read these maps, and somewhere sees no border."""
    *size, channels, _ = convolution.kernel.shape
    return channels == maps.shape[-1] and all(map(operator.le, size, maps.shape[1:3]))
