"""Finds trained weights before a network is built for them, and loads them into it afterwards."""

import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras

from tf_routing.models.budgets.set_budget import copy_budgets
from tf_routing.models.budgets.thresholds import find_routers
from tf_routing.zoo.weights import keras_weights, releases, torch_weights
from tf_routing.zoo.weights.layer_settings import Difference, compare_layers
from tf_routing.zoo.weights.layer_weights import copy_weights
from tf_routing.zoo.weights.mismatches import describe_mismatch, is_wanted
from tf_routing.zoo.weights.preprocessing import read_preprocessing
from tf_routing.zoo.weights.release_files import find_release_file
from tf_routing.zoo.weights.weights_file import IMAGENET, check_whole, find_weights_file


def open_weights(
    architecture: str,
    weights: str | os.PathLike[str] | Mapping[str, Any],
    input_shape: tuple[int | None, int | None, int],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> tuple[dict[str, Any], Callable[[keras.Model], None]]:
    """Finds trained weights before a model is built for them.

    Args:
        architecture: A name of the zoo.
        weights: `"imagenet"`, the tag of released weights, a path, or a state dict of PyTorch, see `zoo.get`.
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
    if isinstance(weights, Mapping):
        arguments = torch_weights.match_arguments(architecture, weights, given, defaults)
        return arguments, partial(_load_state, state=weights, architecture=architecture)
    path = find_weights_file(weights)
    if path is None and weights == IMAGENET:
        arguments = keras_weights.match_arguments(architecture, input_shape, given, defaults)
        source = keras_weights.fetch(architecture, input_shape)
        return arguments, partial(_load_application, source=source, architecture=architecture)
    if path is not None:
        check_whole(path)
    if path is not None and path.name.endswith(".weights.h5"):
        return {}, partial(_load_bare, path=path, arguments={**defaults, **given})
    asked: dict[str, Any] = {}
    if path is None:
        row = releases.find_release(architecture, os.fspath(weights))
        asked, path = releases.match_arguments(row, given), find_release_file(row)
    saved = _load_saved(path)
    found = {key: value for key, value in read_preprocessing(saved).items() if key in defaults and key not in given}
    asked = {**found, **asked}
    return asked, partial(load_body, saved=saved, source=os.fspath(path), given=given, known=list(defaults))


def find_released_shape(architecture: str, weights: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Returns `classes` and `input_shape` of released weights, what a state dict tells; nothing for other weights.

    Args:
        architecture: A name of the zoo.
        weights: See `open_weights`.

    Raises:
        ValueError: If there are no such weights.
    """
    if isinstance(weights, Mapping):
        return torch_weights.find_classes(architecture, weights)
    if find_weights_file(weights) is not None or weights == IMAGENET:
        return {}
    row = releases.find_release(architecture, os.fspath(weights))
    return {"classes": row["classes"], "input_shape": tuple(row["input_shape"])}


def _load_saved(path: Path) -> keras.Model:
    saved = keras.saving.load_model(path, compile=False)
    if not isinstance(saved, keras.Model) or not (isinstance(saved, (keras.Function, keras.Sequential))):
        raise ValueError(f"{path} must hold a functional model, as `zoo.get` builds them. It holds a {type(saved)}.")
    return saved


def load_body(model: keras.Model, saved: keras.Model, source: str, given: Mapping[str, Any], known: list[str]) -> None:
    """Copies the weights of a saved model into `model`, layer by layer.

    Heads whose number of classes differs stay fresh, with a warning; everything else must agree, the settings of
    layers as well as the shapes of weights. A network that is all that was saved, for images of its size, knows its
    budgets too.

    Args:
        model: The model to fill.
        saved: The saved one.
        source: Its file, for messages.
        given: The family's arguments that the user gave.
        known: Names of all of them.

    Raises:
        ValueError: If a layer is missing from the file, other weights than the head's differ in shape, or layers are
            set otherwise than those of the file.
    """
    pairs, fresh = _pair_layers(model, saved, source)
    differences = list(compare_layers(model, saved))
    for difference in differences:
        if not is_wanted(difference, given, fresh):
            raise ValueError(describe_mismatch(difference, source, model.name, known))
    for layer, donor in pairs:
        copy_weights(layer, donor)
    if not fresh and _decide_alike(model, saved, differences):
        copy_budgets(saved, model)
    _warn_fresh(model, fresh, source)


def _decide_alike(model: keras.Model, saved: keras.Model, differences: list[Difference]) -> bool:
    """Returns whether images execute the same parts of both, at the same cost: at most activations differ."""
    return (
        (model.input_shape, model.output_shape) == (saved.input_shape, saved.output_shape)
        and find_routers(model).keys() == find_routers(saved).keys()
        and all(difference.setting == "activation" for difference in differences)
    )


def _pair_layers(model: keras.Model, saved: keras.Model, source: str) -> tuple[list[tuple[Any, Any]], list[str]]:
    """Returns layers with those of their names in the file, and the names of heads that stay fresh."""
    available = {layer.name: layer for layer in saved.layers}
    pairs, fresh = [], []
    for layer in model.layers:
        donor = available.get(layer.name)
        if donor is None:
            if layer.weights:
                raise ValueError(f"{source} holds no layer {layer.name!r}: it is not a {model.name}.")
        elif isinstance(layer, keras.Model) and isinstance(donor, keras.Model):
            inner, names = _pair_layers(layer, donor, source)
            pairs += inner
            fresh += [f"{layer.name}/{name}" for name in names]
        elif _list_shapes(layer) == _list_shapes(donor):
            pairs.append((layer, donor))
        elif _is_head(layer.name):
            fresh.append(layer.name)
        else:
            raise ValueError(
                f"Layer {layer.name!r} has weights of shapes {_list_shapes(layer)}; {source} holds "
                f"{_list_shapes(donor)}: build the {model.name} with the arguments of the saved one, such as "
                "`width_multiplier` or `input_shape`."
            )
    return pairs, fresh


def _is_head(name: str) -> bool:
    return name.endswith("head") or name.startswith("exit_")


def _list_shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _load_application(model: keras.Model, source: keras.Model, architecture: str) -> None:
    fresh = keras_weights.transfer(model, source, architecture)
    _warn_fresh(model, fresh, f"keras.applications' {source.name}")


def _load_state(model: keras.Model, state: Mapping[str, Any], architecture: str) -> None:
    _warn_fresh(model, torch_weights.transfer(model, state, architecture), "the state dict")


def _warn_fresh(model: keras.Model, fresh: list[str], source: str) -> None:
    if fresh:
        warnings.warn(
            f"Loaded the body of {source}; freshly initialised, for {model.output_shape[-1]} classes: "
            f"{', '.join(fresh)}.",
            # The line that called `zoo.get`.
            stacklevel=5,
        )


def _load_bare(model: keras.Model, path: Path, arguments: Mapping[str, Any]) -> None:
    try:
        model.load_weights(path)
    except ValueError as error:
        raise ValueError(
            f"{path} does not fit {model.name} with {model.output_shape[-1]} outputs. A `.weights.h5` file goes into "
            "the very network that saved it, with the same arguments and classes; for other classes save the whole "
            f"model as `.keras`. {error}"
        ) from error
    settings = ", ".join(f"{key}={arguments[key]!r}" for key in ("standardize", "gamma") if key in arguments)
    warnings.warn(
        f"{path} holds weights without configuration: whether they were trained with {settings} and the other "
        f"arguments of this {model.name} could not be compared. A `.keras` file holds both.",
        # The line that called `zoo.get`.
        stacklevel=4,
    )
