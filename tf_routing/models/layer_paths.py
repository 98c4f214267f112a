"""Finds layers of models that hold models."""

from typing import Any

import keras


def layer_at(model: keras.Model, path: str) -> Any:
    """Returns the layer of this name, of a model inside where the name is `member/layer`.

    Example:

    >>> from tf_routing import models, zoo
    >>> pair = models.Ensemble.of([zoo.get("basecnn", width_multiplier=0.25) for _ in range(2)])
    >>> layer_at(pair, "member_2/logits").name
    'logits'
    """
    # Keras lets no layer have a slash in its name.
    for name in path.split("/"):
        model = model.get_layer(name)
    return model
