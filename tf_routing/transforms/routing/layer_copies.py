"""Copies of layers with their weights and flags, so that the network that they are from stays as it is."""

from typing import Any

import keras

from tf_routing.core.private_apis import all_layers
from tf_routing.core.protocols import DerivesConstants


def copy_layer(layer: Any, name: str) -> Any:
    """Returns a layer, or operation without weights, of the same configuration, which is not built yet.

    Args:
        layer: The layer.
        name: What the copy is called.

    Raises:
        ValueError: If the layer has no configuration to be built from, or weights that this does not tell of.
    """
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        raise ValueError(f"`model` must be in floats, without added weights. Received: {layer.name!r}, which is not")
    try:
        copy = type(layer).from_config({**layer.get_config(), "name": name})
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            f"Layer {layer.name!r} of type {type(layer).__name__} cannot be copied: give it a `get_config` that holds "
            f"the arguments of its constructor. {error}"
        ) from error
    return copy


def copy_state(layer: Any, copy: Any) -> None:
    """Gives a copy that is built the weights of its layer, and the flags that say what of it trains.

    Args:
        layer: The layer.
        copy: Its copy.
    """
    if not isinstance(layer, keras.Layer):
        return
    for old, new in zip(layer.weights, copy.weights, strict=True):
        # On JAX `assign` shares the buffer, which a training step then takes from the other network too.
        new.assign(keras.ops.copy(old) if keras.backend.backend() == "jax" else old)
    for old_layer, new_layer in zip(all_layers(layer), all_layers(copy), strict=True):
        if new_layer.trainable != old_layer.trainable:
            new_layer.trainable = old_layer.trainable
        if isinstance(new_layer, DerivesConstants):
            new_layer.finalize_state()
