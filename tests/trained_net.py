"""Nets with weights as training leaves them: away from where they start, statistics of batches too."""

import keras
import numpy as np

_RANGES = {"gamma": (0.7, 1.4), "moving_variance": (0.8, 1.3)}


def like_trained(model: keras.Model, x: np.ndarray, head: str = "head") -> keras.Model:
    """Draws every vector of a model, and scales its head so that the answers to `x` differ and none is sure.

    Moving statistics are drawn around those of `x`: with any others a deep net answers all images alike.
    """
    random = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(random.uniform(*_RANGES.get(_kind(weight), (-0.2, 0.2)), weight.shape))
    drawn = {weight.path: np.asarray(weight) for weight in model.weights if _kind(weight).startswith("moving")}
    _measure(model, x)
    for weight in model.weights:
        if _kind(weight) == "moving_variance":
            weight.assign(weight * drawn[weight.path])
        elif _kind(weight) == "moving_mean":
            weight.assign(weight + 0.1 * drawn[weight.path])
    _scale_head(model, x, model.get_layer(head), random)
    return model


def _kind(weight: keras.Variable) -> str:
    return weight.path.split("/")[-1]


def _measure(model: keras.Model, x: np.ndarray) -> None:
    """Sets moving statistics to those of `x`."""
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momentum = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    model(x, training=True)
    for layer, each in zip(normalizations, momentum, strict=True):
        layer.momentum = each


def _scale_head(model: keras.Model, x: np.ndarray, head: keras.layers.Dense, random: np.random.Generator) -> None:
    features = np.asarray(keras.Model(model.input, head.input)(x, training=False))
    logits = features @ np.asarray(head.kernel)
    scale = 1 / np.ptp(logits, axis=0).max()
    head.kernel.assign(np.asarray(head.kernel) * scale)
    head.bias.assign(random.uniform(-0.2, 0.2, head.bias.shape) - scale * logits.mean(axis=0))
