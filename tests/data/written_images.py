"""Encoded pictures for tests, written by the image library that most people's pictures come from."""

import io
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_routing.data.images.decoding.decoder import ImageDecoder

_BY_FILE = [tf.TensorSpec((), tf.string)]


def photograph(height: int = 20, width: int = 33) -> Image.Image:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return Image.fromarray((np.stack([y, x, (x + y**2) / 2], axis=-1) * 255).astype("uint8"))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(file: bytes) -> Image.Image:
    """A file as that library reads it."""
    return Image.open(io.BytesIO(file))


@tf.function(input_signature=_BY_FILE, autograph=False)
def _decoded(file: Any) -> Any:
    return ImageDecoder(file).decode()


def decoded(file: bytes) -> np.ndarray:
    """A file as we read it, in a graph."""
    return _decoded(tf.constant(file)).numpy()
