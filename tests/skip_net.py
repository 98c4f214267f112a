"""A network that skips blocks, small enough to train in a second: what the zoo's are made of, in three blocks."""

from typing import Any

import keras
import numpy as np

from tf_routing.layers import RouterMemory, SkipBlock, SkipRouter
from tf_routing.models import RoutedModel
from tf_routing.objectives import DiverseRoutes

CLASSES, COUNT, SHAPE = 4, 12, (6, 6, 3)
# By hand: 6x6 positions, 4 channels, from the second block on 3x3 and 8.
MACS = {"router_1": [36 * 9 * 4 * 4], "router_2": [9 * 9 * 4 * 8], "router_3": [9 * 9 * 8 * 8]}


def skip_model(
    seed: int = 0, router: str = "linear", shape: tuple[int, ...] = SHAPE, classes: int = CLASSES, **objective: Any
) -> RoutedModel:
    """Returns the network, its weights seeded, with an objective of its own.

    Its blocks have no batch normalisation, so that one sample does not depend on the others. The second one changes
    the shape. Scores are as large as those of a trained network, so that images take different routes.
    """
    keras.utils.set_random_seed(seed)
    image = keras.Input(shape, name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, activation="relu", name="stem")(image)
    memory, state = RouterMemory(5, name="router_memory"), None
    for number, (width, strides) in enumerate(((4, 1), (8, 2), (8, 1)), 1):
        read = x
        if router == "recurrent":
            summary = keras.layers.GlobalAveragePooling2D(name=f"router_{number}_means")(x)
            summary = keras.layers.Dense(5, name=f"router_{number}_features")(summary)
            read, state = memory(summary) if state is None else memory(summary, state)
        decision = SkipRouter(router, seed=number, name=f"router_{number}")(read)
        shortcut = _part(x, width, strides, 1) if strides > 1 else "identity"
        x = SkipBlock(_part(x, width, strides, 3), shortcut, name=f"block_{number}")(x, decision)
    logits = keras.layers.Dense(classes, name="logits", dtype="float32")(keras.layers.GlobalAveragePooling2D()(x))
    model = RoutedModel(image, keras.layers.Softmax(name="probabilities", dtype="float32")(logits), name="skip")
    model.execution = "masked"
    _enlarge_scores(model)
    model.set_default_objective(DiverseRoutes(MACS, **objective))
    return model


def _part(x: Any, width: int, strides: int, kernel: int) -> keras.Model:
    """A model of its own: one convolution."""
    maps = keras.Input(x.shape[1:])
    y = keras.layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name="conv")(maps)
    return keras.Model(maps, y)


def _enlarge_scores(model: RoutedModel) -> None:
    for layer in model.layers:
        dense = getattr(layer, "scores_layer", None) or getattr(layer, "scores", None)
        if dense is not None and dense.built:
            dense.kernel.assign(4 * np.asarray(dense.kernel))


def images(count: int = COUNT, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Returns images of unlike brightness, the same on every call; a smaller count gives the first ones."""
    rng = np.random.default_rng(21)
    return np.stack([rng.normal(rng.normal(), 1.0, shape) for _ in range(count)]).astype("float32")


def labels(count: int = COUNT) -> np.ndarray:
    """Returns class indices for `images`."""
    return np.arange(count) % CLASSES


def soft_routes(model: RoutedModel, x: np.ndarray) -> np.ndarray:
    """Returns what the routers of a model decide in training, `(count, blocks)`."""
    outputs = model(x, training=True, return_outputs=True)
    return np.concatenate([np.asarray(outputs[name]) for name in model.decision_names], axis=1)
