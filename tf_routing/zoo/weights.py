"""Loads trained weights into a freshly built model."""

import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from tf_routing.zoo import keras_weights, released


def open_weights(
    architecture: str,
    weights: str,
    input_shape: tuple[int, int, int],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> tuple[dict[str, Any], Callable[[keras.Model], None]]:
    """Finds trained weights before a model is built for them.

    Args:
        architecture: A name of the zoo.
        weights: `"imagenet"`, the tag of released weights, or the path of a `.keras` file.
        input_shape: Tuple `(height, width, channels)` of the model.
        given: The family's arguments that the user gave.
        defaults: The family's arguments by default.

    Returns:
        Arguments that the weights ask of the builder, and what loads them into the model.

    Raises:
        ValueError: If there are no such weights, or they do not fit what was given.
        FileNotFoundError: If `weights` names no file.
        OSError: If weights cannot be downloaded.
    """
    if weights != "imagenet":
        if _is_file_name(weights):
            check_weights(weights)
            return {}, partial(load_body, weights=weights)
        row = released.released_row(architecture, weights)
        file = os.fspath(released.checked_file(row))
        return released.row_arguments(row, given), partial(load_body, weights=file)
    arguments = keras_weights.builder_arguments(architecture, input_shape, given, defaults)
    source = keras_weights.fetch(architecture, input_shape)
    return arguments, partial(_load_application, source=source, architecture=architecture)


def released_shape(architecture: str, weights: str) -> dict[str, Any]:
    """Returns `classes` and `input_shape` of released weights; nothing for weights from elsewhere.

    Args:
        architecture: A name of the zoo.
        weights: See `open_weights`.

    Raises:
        ValueError: If there are no such weights.
    """
    if weights == "imagenet" or _is_file_name(weights):
        return {}
    row = released.released_row(architecture, weights)
    return {"classes": row["classes"], "input_shape": tuple(row["input_shape"])}


def _is_file_name(weights: str | os.PathLike[str]) -> bool:
    name = os.fspath(weights)
    return name.endswith(".keras") or os.path.dirname(name) != ""


def check_weights(weights: str | os.PathLike[str]) -> None:
    """Raises if `weights` is no existing `.keras` file."""
    path = os.fspath(weights)
    if not path.endswith(".keras"):
        raise ValueError(
            f"`weights` must be None, 'imagenet' (for {', '.join(keras_weights.IMAGENET_NAMES)}), the tag of released "
            f"weights or the path of a `.keras` file. Received: weights={weights!r}"
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
        ValueError: If a layer is missing from the file, other weights than the head's differ in shape, or layers
            differ in strides or padding.
    """
    saved = keras.saving.load_model(weights, compile=False)
    _tell(model, _copy(saved, model, weights), weights)


def _load_application(model: keras.Model, source: keras.Model, architecture: str) -> None:
    _tell(model, keras_weights.transfer(model, source, architecture), f"keras.applications' {source.name}")


def _tell(model: keras.Model, fresh: list[str], source: str) -> None:
    if fresh:
        warnings.warn(
            f"Loaded the body of {source}; freshly initialised, for {model.output_shape[-1]} classes: "
            f"{', '.join(fresh)}.",
            stacklevel=4,
        )


def _copy(saved: keras.Model, model: keras.Model, source: str) -> list[str]:
    available = {layer.name: layer for layer in saved.layers}
    fresh, pairs = [], []
    for layer in model.layers:
        _check_geometry(layer, available.get(layer.name), source)
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
        _take_over(layer, donor)
    return fresh


def _check_geometry(layer: keras.layers.Layer, donor: keras.layers.Layer | None, source: str) -> None:
    # Weights of one shape convolve otherwise with other strides, and nothing else would show it.
    for what in ("strides", "padding"):
        own, theirs = getattr(layer, what, None), getattr(donor, what, None)
        if None not in (own, theirs) and own != theirs:
            raise ValueError(
                f"Layer {layer.name!r} has {what}={own!r}; {source} holds {theirs!r}: build the model with the "
                "arguments of the saved one, such as `keras_strides`."
            )


def _take_over(layer: keras.layers.Layer, donor: keras.layers.Layer) -> None:
    layer.set_weights(donor.get_weights())
    # Statistics of batches mean what they meant only beside the epsilon with which they were learnt.
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.epsilon = donor.epsilon


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
