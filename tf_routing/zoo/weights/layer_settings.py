"""Compares how the layers of two models are set, layer by layer, which trained weights say nothing about."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.core.private_apis import maker_of
from tf_routing.layers import KeptBlocks
from tf_routing.support.validation import plain

# All that `get_config` holds is compared but this: it changes no number that a model with given weights computes, or
# weights bring it, or `copy_weights` does.
_NOT_COMPARED = {
    *("name", "dtype", "trainable", "build_config"),
    # Of weights before training, and of draws.
    *("seed", "init_open_rate"),
    # The size of images, which weights of convolutions do not fix; other weights have shapes of their own.
    *("batch_shape", "shape", "sparse", "ragged", "optional"),
    # What batch normalisation was trained with comes along with its statistics.
    *("epsilon", "momentum"),
}
# Of layers whose parts run masked or sparse: which way changes no number.
_RUNS = {"execution", "method"}
_NOT_COMPARED_ENDINGS = ("_initializer", "_regularizer", "_constraint")
_STATISTICS = ("mean", "variance")
# Ends of a model without its head, which a model with one has not.
_FEATURES = ("features", "pooled_features")


class Difference(NamedTuple):
    """A layer that is set otherwise than the layer of its name in a file.

    Args:
        layer: Its name, behind those of the models that it is inside of.
        setting: What differs: a key of `get_config`, `"class"`, `"reads"` for the layers before it, or `"layer"` where
            the file holds none of this name.
        built: Its value in the model.
        saved: Its value in the file.
    """

    layer: str
    setting: str
    built: Any
    saved: Any


def compare_layers(model: keras.Model, saved: keras.Model, inside: str = "") -> Iterator[Difference]:
    """Yields how the layers of a model are set otherwise than those of a saved one.

    Layers that only the saved model holds count where layers of both read them.

    Args:
        model: The model.
        saved: What was loaded from a file.
        inside: What names of layers begin with.
    """
    available = {layer.name: layer for layer in saved.layers}
    reads, saved_reads = _list_reads(model), _list_reads(saved)
    for layer in model.layers:
        name, donor = inside + layer.name, available.get(layer.name)
        if isinstance(layer, keras.layers.InputLayer) or (donor is None and layer.name in _FEATURES):
            continue
        if donor is None:
            yield Difference(name, "layer", type(layer).__name__, None)
            continue
        if type(layer).__name__ != type(donor).__name__:
            yield Difference(name, "class", type(layer).__name__, type(donor).__name__)
            continue
        yield from _compare_settings(layer, donor, name)
        if reads[layer.name] != saved_reads[layer.name]:
            yield Difference(name, "reads", reads[layer.name], saved_reads[layer.name])


def _compare_settings(layer: Any, donor: Any, name: str) -> Iterator[Difference]:
    if isinstance(layer, keras.Model):
        yield from compare_layers(layer, donor, f"{name}/")
        return
    built, saved = layer.get_config(), donor.get_config()
    left_out = _NOT_COMPARED | (_RUNS if "execution" in built else set())
    # A key that one of them lacks is one that is not set there.
    for key in dict.fromkeys((*built, *saved)):
        parts, saved_parts = _find_models(layer, key), _find_models(donor, key)
        if parts and len(parts) == len(saved_parts):
            for part, saved_part in zip(parts, saved_parts, strict=True):
                yield from compare_layers(part, saved_part, f"{name}/{part.name}/")
        elif key not in left_out and not key.endswith(_NOT_COMPARED_ENDINGS):
            values = _make_comparable(built.get(key)), _make_comparable(saved.get(key))
            if values[0] != values[1] and not (key in _STATISTICS and _are_close(*values)):
                yield Difference(name, key, *values)


def _find_models(layer: Any, key: str) -> list[keras.Model]:
    """Returns the models that a layer holds in the attribute which `get_config` describes."""
    value = getattr(layer, key, None)
    values = value if isinstance(value, (list, tuple)) else [value]
    return list(values) if all(isinstance(value, keras.Model) for value in values) else []


def _make_comparable(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, Mapping):
        return {key: _make_comparable(item) for key, item in value.items() if key not in _NOT_COMPARED}
    return [_make_comparable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _are_close(built: Any, saved: Any) -> bool:
    # Deviations are given, and their squares kept.
    given = built is not None and saved is not None and np.shape(built) == np.shape(saved)
    return given and bool(np.allclose(built, saved, rtol=1e-6, atol=0))


def _list_reads(model: keras.Model) -> dict[str, list[Any]]:
    """Returns by layer the names of those whose outputs it reads: one list for every time that it is called."""
    reads: dict[str, list[Any]] = {}
    for call in layer_calls(model):
        reads.setdefault(call.operation.name, []).append(_list_sources(call, model))
    return reads


def _list_sources(call: Any, model: keras.Model) -> list[str]:
    sources = (_name_source(tensor, model) for tensor in call.input_tensors)
    return [source for source in sources if source is not None]


def _name_source(tensor: Any, model: keras.Model) -> str | None:
    call, index = maker_of(tensor)
    operation = call.operation
    if isinstance(operation, keras.layers.InputLayer):
        # By position: inputs of parts have names that Keras may have made up.
        return f"input {model.inputs.index(tensor) + 1}"
    if isinstance(operation, KeptBlocks):
        # Rules may be put in the place of what was learnt; the router's own setting says which of them decides.
        return None
    if isinstance(operation, keras.layers.Layer):
        return f"{operation.name}[{index}]" if index else operation.name
    # Operations that are no layers are numbered by Keras, so that their names mean nothing.
    arguments = keras.tree.flatten(call.arguments.args[1:])
    constants = [argument for argument in arguments if not keras.backend.is_keras_tensor(argument)]
    return f"{type(operation).__name__}({', '.join(map(str, [*_list_sources(call, model), *constants]))})"
