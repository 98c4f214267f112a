"""Reads from a saved network what it does to images first, so that a network that gets its weights does the same."""

from typing import Any

import keras
import numpy as np

from tf_routing.core.private_apis import all_layers


def read_preprocessing(saved: keras.Model) -> dict[str, Any]:
    """Returns what a saved model does to images first, as the arguments of builders that ask for it.

    Args:
        saved: What was loaded from a file.

    Returns:
        Dict of `standardize`, means and deviations per channel or `None`, and `gamma`.
    """
    layers = {layer.name: layer for layer in all_layers(saved)}
    normalization, gamma = layers.get("standardize"), layers.get("gamma")
    statistics = None
    if isinstance(normalization, keras.layers.Normalization):
        means, variances = (np.ravel(np.asarray(values)) for values in (normalization.mean, normalization.variance))
        statistics = means.tolist(), np.sqrt(variances.astype("float64")).tolist()
    return {"standardize": statistics, "gamma": 1.0 if gamma is None else gamma.exponent}
