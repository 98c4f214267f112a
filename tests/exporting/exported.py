"""Small exports that tests load, and pictures to feed them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import disturb, draw_scores, small
from tests.few_layers import few_layers
from tf_routing import calibrate, layers, zoo
from tf_routing.execution import gated_blocks
from tf_routing.models import RoutedModel

SHAPE = (32, 32, 3)


def normalised_net(**arguments: Any) -> RoutedModel:
    """A small net of the zoo, of few layers, whose batch normalisation does something."""
    keras.utils.set_random_seed(1)
    with pytest.MonkeyPatch.context() as patch:
        few_layers(patch)
        model = zoo.get("basecnn_2cc", width_multiplier=0.125, **arguments)
    disturb(model)
    return model


def tiny_net(name: str = "tiny") -> RoutedModel:
    """A net of two paths that is exported in a moment."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    maps = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    maps = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(maps))
    paths = layers.CrossConnection(paths=2, name="route_1")(maps, return_gates=True)[0]
    features = keras.layers.Average()([keras.layers.GlobalAveragePooling2D()(path) for path in paths])
    model = RoutedModel(image, keras.layers.Dense(10, "softmax", name="probabilities")(features), name=name)
    disturb(model)
    return model


def skipping_net(name: str) -> RoutedModel:
    """A small net of the zoo, whose gates open on about half of some images."""
    keras.utils.set_random_seed(1)
    model = small(name)
    disturb(model)
    draw_scores(model)
    if gated_blocks(model):
        calibrate(model, images(12, model.input_shape[1:]), rate=0.5)
    return model


def images(count: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Images in [0, 1], the same on every call."""
    return np.random.default_rng(2).uniform(size=(count, *shape)).astype("float32")


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth picture of bytes: what is smooth stays what it is when it is resized."""
    waves = np.random.default_rng(seed).uniform(1, 3, (channels, 2))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    planes = [127 + 60 * np.sin(a * y * 3) + 60 * np.cos(b * x * 3) for a, b in waves]
    return np.stack(planes, axis=-1).round().astype("uint8")


def png(image: np.ndarray) -> bytes:
    """A picture as a PNG file."""
    return tf.io.encode_png(image).numpy()


def jpeg(image: np.ndarray) -> bytes:
    """A picture as a JPEG file."""
    return tf.io.encode_jpeg(image, quality=95).numpy()


def files(folder: Path) -> dict[str, bytes]:
    """Contents of a folder by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
