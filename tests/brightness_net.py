"""A network whose routers read the brightness of the image alone, so that its thresholds are known by hand."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.layers import SkipBlock
from tf_routing.layers.routers.router import Router
from tf_routing.models import RoutedModel

COUNT, CLASSES = 100, 2
# By hand: 2x2 positions of one channel, a kernel of 1x1 in each block, and the head.
BLOCK, HEAD = 4, 4 * CLASSES
STATIC = 2 * BLOCK + HEAD


@keras.saving.register_keras_serializable(package="tests")
class BrightnessRouter(Router):
    """Opens where an image is brighter than a threshold: a router of somebody else."""

    def __init__(self, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = threshold

    def build(self, input_shape: Any) -> None:
        initializer = keras.initializers.Constant(-self.initial)
        self.bias = self.add_weight(shape=(1,), initializer=initializer, name="bias")

    def call(self, inputs: Any) -> Any:
        return ops.cast(self.margins(inputs) > 0, self.compute_dtype)

    def margins(self, *inputs: Any) -> Any:
        return ops.mean(inputs[0], axis=(1, 2)) + self.bias

    def shift_thresholds(self, shifts: np.ndarray) -> None:
        self.bias.assign(np.asarray(self.bias) + shifts)

    def macs(self, input_shape: Any) -> int:
        return 0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "threshold": self.initial}


def brightness_net(*thresholds: float) -> RoutedModel:
    """Returns a network of one block for each threshold, which runs for brighter images."""
    image = x = keras.Input((2, 2, 1), name="image")
    for number, threshold in enumerate(thresholds or (0.25, 0.75), 1):
        decision = BrightnessRouter(threshold, name=f"router_{number}")(image)
        maps = keras.Input((2, 2, 1))
        body = keras.Model(maps, keras.layers.Conv2D(1, 1, use_bias=False, name="conv")(maps), name="body")
        x = SkipBlock(body, "identity", name=f"block_{number}")(x, decision)
    flat = keras.layers.Flatten(name="flat")(x)
    answers = keras.layers.Dense(CLASSES, "softmax", use_bias=False, name="head")(flat)
    model = RoutedModel(image, answers, name="bright")
    model.execution = "masked"
    return model


def images(count: int = COUNT) -> np.ndarray:
    """Returns images of one brightness each, evenly from 0 up to below 1."""
    return np.broadcast_to(np.arange(count).reshape(-1, 1, 1, 1) / count, (count, 2, 2, 1)).astype("float32")


def share(first: int, second: int) -> float:
    """Returns the share of the static cost where so many of a hundred images run the first and the second block."""
    return (HEAD + BLOCK * (first + second) / COUNT) / STATIC
