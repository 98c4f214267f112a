"""The smallest model with labels: five classes, by one dense layer."""

import keras
import numpy as np

from tf_routing.models import RoutedModel

IMAGES = np.random.default_rng(0).uniform(size=(4, 2, 2, 3)).astype("float32")


def labelled_model(classes: int = 5) -> RoutedModel:
    """Returns a new model; its weights are the same on every call."""
    image = keras.Input((2, 2, 3), name="image")
    means = keras.layers.GlobalAveragePooling2D()(image)
    start = keras.initializers.GlorotUniform(seed=1)
    return RoutedModel(image, keras.layers.Dense(classes, "softmax", kernel_initializer=start)(means))
