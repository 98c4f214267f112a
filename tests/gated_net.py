"""A gated network small enough to train in a second: what the zoo's split networks are made of, in two blocks."""

from typing import Any

import keras
import numpy as np

from tf_routing.layers import Controller, SplitBlock
from tf_routing.models import RoutedModel
from tf_routing.objectives import DynamicMultipath

CLASSES, COUNT = 4, 12
CATEGORIES = [0, 1, 1, 2]
WEIGHTS = {"controller_1": 0.5, "controller_2": 2.0}
# By hand: 6x6 positions, 4 channels in, 8 out of the second block, at a stride of 2 there.
STEM, SHORTCUT, HEAD = 36 * 9 * 3 * 4, 9 * 4 * 8, 8 * CLASSES
CONTROLLERS = 32 * (4 + 2 * 2) + 32 * (4 + 2 * 3) + 32 * 32
MACS = {
    "controller_1": [36 * 4 * 4, 36 * 9 * 4 * 4],
    "controller_2": [9 * 9 * 4 * 2 + 9 * 2 * 8, 9 * 9 * 4 * 3 + 9 * 3 * 8, 9 * 9 * 4 * 5 + 9 * 5 * 8],
}
FIXED, PARTS = STEM + SHORTCUT + HEAD + CONTROLLERS, sum(map(sum, MACS.values()))


def gated_model(seed: int = 0, categories: list[int] | None = CATEGORIES, **arguments: Any) -> RoutedModel:
    """Returns the network, its weights and its noise seeded, with an objective of its own.

    Its first block has two unequal sub-blocks and an identity shortcut, its second three and a projection.
    """
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, activation="relu", name="stem")(image)
    switches, state = Controller(2, seed=1, name="controller_1")(x)
    parts = [_part(x, f"sub_block_{kernel}", [(4, kernel, 1)]) for kernel in (1, 3)]
    x = SplitBlock(parts, "identity", "relu", name="block_1")(x, switches)
    switches, state = Controller(3, seed=2, name="controller_2")(x, state)
    parts = [_part(x, f"sub_block_{width}", [(width, 3, 2), (8, 1, 1)]) for width in (2, 3, 5)]
    x = SplitBlock(parts, _part(x, "shortcut", [(8, 1, 2)]), "relu", name="block_2")(x, switches)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(CLASSES, name="logits", dtype="float32")(x)
    model = RoutedModel(image, keras.layers.Softmax(name="probabilities", dtype="float32")(logits), name="gated")
    model.execution = "masked"
    weights = None if categories is None else WEIGHTS
    model.set_default_objective(DynamicMultipath(0.5, MACS, PARTS, categories, weights, **arguments))
    return model


def _part(x: Any, name: str, convolutions: list[tuple[int, int, int]]) -> keras.Model:
    """Returns a model of convolutions of given filters, kernel sizes and strides."""
    y = maps = keras.Input(x.shape[1:], name="maps")
    # Named: TensorFlow adds gradients up in an order that names decide, and a number that Keras gives would change it.
    for number, (filters, kernel, strides) in enumerate(convolutions, 1):
        convolve = keras.layers.Conv2D(
            filters, kernel, strides, "same", use_bias=False, activation="relu", name=f"conv_{number}"
        )
        y = convolve(y)
    return keras.Model(maps, y, name=name)


def images(count: int = COUNT) -> np.ndarray:
    """Returns images, the same on every call."""
    return np.random.default_rng(21).normal(size=(count, 6, 6, 3)).astype("float32")


def labels(count: int = COUNT) -> np.ndarray:
    """Returns class indices for `images`."""
    return np.arange(count) % CLASSES


def category_step(
    state: np.ndarray, kernel: np.ndarray, bias: np.ndarray, weight: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Eq. 9 and 10 of one controller on `labels`, with the gradients of its head's kernel and bias."""
    scores = state.astype("float64") @ kernel + bias
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    targets = np.eye(max(CATEGORIES) + 1)[np.array(CATEGORIES)[labels(len(state))]]
    loss = -weight * (targets * np.log(probabilities)).sum(axis=1).mean()
    slope = weight * (probabilities - targets) / len(state)
    return loss, state.T @ slope, slope.sum(axis=0)
