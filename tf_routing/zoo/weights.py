"""Loads trained weights into a freshly built model."""

import os
import warnings

import keras


def check_weights(weights: str) -> None:
    """Raises if `weights` is neither a released tag nor an existing `.keras` file."""
    path = os.fspath(weights)
    if not path.endswith(".keras"):
        raise ValueError(
            f"`weights` must be None or the path of a `.keras` file; no weights are released yet. "
            f"Received: weights={weights!r}"
        )
    if not os.path.exists(path):
        raise FileNotFoundError(f"`weights` names no file: {path}")


def load_body(model: keras.Model, weights: str) -> None:
    """Copies the weights of a saved model into `model`, layer by layer.

    Heads whose number of classes differs stay fresh, with a warning; everything else must agree.

    Args:
        model: The model to fill.
        weights: Path of a `.keras` file.

    Raises:
        ValueError: If a layer is missing from the file, or other weights than the head's differ in shape.
    """
    saved = keras.saving.load_model(weights, compile=False)
    fresh = _copy(saved, model, weights)
    if fresh:
        warnings.warn(
            f"Loaded the body of {weights}; freshly initialised, for {model.output_shape[-1]} classes: "
            f"{', '.join(fresh)}.",
            stacklevel=3,
        )


def _copy(saved: keras.Model, model: keras.Model, source: str) -> list[str]:
    available = {layer.name: layer for layer in saved.layers}
    fresh, pairs = [], []
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in available:
            raise ValueError(f"{source} holds no layer {layer.name!r}: it is not a {model.name}.")
        donor = available[layer.name]
        if isinstance(layer, keras.Model):
            fresh += [f"{layer.name}/{name}" for name in _copy(donor, layer, source)]
        elif _shapes(layer) == _shapes(donor):
            pairs.append((layer, donor))
        elif layer.name.endswith("head") or layer.name.startswith("exit_"):
            fresh.append(layer.name)
        else:
            raise ValueError(
                f"Layer {layer.name!r} has weights of shapes {_shapes(layer)}; {source} holds {_shapes(donor)}."
            )
    for layer, donor in pairs:
        layer.set_weights(donor.get_weights())
    return fresh


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
