"""Networks that leave early, small enough to train in a second: the zoo's builder on trees of their own."""

from typing import Any

import keras
import numpy as np

from tests.conformance.subjects import draw_scores
from tf_routing import zoo
from tf_routing.layers import Junction
from tf_routing.models import RoutedModel

CLASSES, COUNT, SHAPE = 4, 24, (8, 8, 3)
_END = {"channels": [8], "sinks": ["classify"]}
CHAIN: dict[str, Any] = {
    "channels": [4, 6],
    "sinks": ["classify", {"channels": [6, 6], "sinks": ["classify", _END]}],
}
"""Three columns in a row that can be left after each."""
BRANCHES: dict[str, Any] = {
    "channels": [4, 6],
    "sinks": ["classify", {"channels": [6], "sinks": ["classify", _END]}, {"channels": [6, 6], "sinks": [_END]}],
}
"""A junction of three ways; one of them leads to another junction, one to two columns without."""


def exit_model(tree: dict[str, Any] = CHAIN, drawn: bool = True, **arguments: Any) -> RoutedModel:
    """Returns a network, its weights seeded, whose samples take different routes if scores are `drawn`."""
    keras.utils.set_random_seed(0)
    usual = {"classes": CLASSES, "input_shape": SHAPE, "seed": 1, "name": "exits", "gamma": 1.0}
    model = zoo.get("decide_chain8", tree=tree, **{**usual, **arguments})
    model.execution = "masked"
    if drawn:
        draw_scores(model)
    return model


def vary(model: keras.Model) -> None:
    """Draws biases, scales and moving statistics, which start alike, so that none of them could be mixed up."""
    rng = np.random.default_rng(12)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name != "kernel":
            weight.assign(rng.normal(0, 0.3, weight.shape))


def balance(model: RoutedModel) -> None:
    """Shifts the scores of each junction so that each way is the best one for some of forty `images`."""
    outputs = model(images(40), training=False, return_outputs=True)
    for layer in model.layers:
        if isinstance(layer, Junction):
            scores = np.asarray(outputs[f"{layer.name}_scores"])
            layer.scores_layer.bias.assign_sub(np.median(scores, axis=0))


def images(count: int = COUNT) -> np.ndarray:
    """Returns images, the first ones the same whatever the count."""
    return np.random.default_rng(31).uniform(size=(40, *SHAPE)).astype("float32")[:count]


def labels(count: int = COUNT) -> np.ndarray:
    """Returns class indices for `images`."""
    return np.arange(count) % CLASSES
