"""Copies the weights of one layer into another, with the settings that they belong to."""

import keras

from tf_routing.core.private_apis import all_layers
from tf_routing.core.protocols import DerivesConstants


def copy_weights(layer: keras.layers.Layer, donor: keras.layers.Layer) -> None:
    """Gives a layer the weights of one of the same settings, and the settings without which they mean something else.

    Args:
        layer: The layer to fill.
        donor: The layer to copy from.
    """
    layer.set_weights(donor.get_weights())
    for part, source in zip(all_layers(layer), all_layers(donor), strict=True):
        # Statistics of batches stand for what they were learnt with only together with the epsilon of that time.
        for setting in ("epsilon", "momentum"):
            if hasattr(part, setting) and hasattr(source, setting):
                setattr(part, setting, getattr(source, setting))
        if isinstance(part, keras.layers.Normalization):
            part.input_mean, part.input_variance = source.input_mean, source.input_variance
            part.mean, part.variance = (
                keras.ops.cast(values, part.compute_dtype) for values in (source.mean, source.variance)
            )
        if isinstance(part, DerivesConstants):
            part.finalize_state()
