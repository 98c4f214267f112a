"""Reads a picture file as a network sees it. TensorFlow only."""

from collections.abc import Callable
from functools import cache

import numpy as np
import tensorflow as tf

from tf_routing.data.images.decoding.framing import Framing
from tf_routing.data.images.picture_files import find_damage
from tf_routing.exporting.decoding import decoded_images


def read_picture(path: str, framing: Framing, channels: int) -> np.ndarray:
    """Returns a picture as an image `(height, width, channels)`, float32 in [0, 1].

    Args:
        path: The file.
        framing: Which part is seen, at which size.
        channels: Integer, 1 or 3.

    Raises:
        ValueError: If the file cannot be read as a picture; says why.
    """
    try:
        return _build_decoder(framing, channels)(tf.io.read_file(path)[None])[0].numpy()
    except tf.errors.OpError as error:
        raise ValueError(find_damage(path) or str(error)) from error


@cache
def _build_decoder(framing: Framing, channels: int) -> Callable:
    """Returns a function of a batch of files, traced once."""
    shape = (framing.height, framing.width, channels)
    specification = [tf.TensorSpec((None,), tf.string)]

    @tf.function(input_signature=specification, autograph=False)
    def decode(encoded: tf.Tensor) -> tf.Tensor:
        """Decodes files."""
        return decoded_images(encoded, shape, framing.crop, framing.resize)

    return decode
