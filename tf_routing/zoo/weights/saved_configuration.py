"""What trained weights say nothing about: how the layers of two models are set, compared layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.core.private_apis import all_layers, maker_of
from tf_routing.core.protocols import DerivesConstants
from tf_routing.layers import KeptBlocks
from tf_routing.support.validation import plain

# All that `get_config` holds is compared but this: it changes no number that a model with given weights computes, or
# weights bring it, or `take_over` does.
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
        own: Its value in the model.
        saved: Its value in the file.
    """

    layer: str
    setting: str
    own: Any
    saved: Any


def differences(model: keras.Model, saved: keras.Model, inside: str = "") -> Iterator[Difference]:
    """Yields how the layers of a model are set otherwise than those of a saved one.

    Layers that only the saved model holds count where layers of both read them.

    Args:
        model: The model.
        saved: What was loaded from a file.
        inside: What names of layers begin with.
    """
    available = {layer.name: layer for layer in saved.layers}
    own_reads, saved_reads = _reads(model), _reads(saved)
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
        yield from _settings(layer, donor, name)
        if own_reads[layer.name] != saved_reads[layer.name]:
            yield Difference(name, "reads", own_reads[layer.name], saved_reads[layer.name])


def _settings(layer: Any, donor: Any, name: str) -> Iterator[Difference]:
    if isinstance(layer, keras.Model):
        yield from differences(layer, donor, f"{name}/")
        return
    own, saved = layer.get_config(), donor.get_config()
    left_out = _NOT_COMPARED | (_RUNS if "execution" in own else set())
    # A key that one of them lacks is one that is not set there.
    for key in dict.fromkeys((*own, *saved)):
        parts, theirs = _models(layer, key), _models(donor, key)
        if parts and len(parts) == len(theirs):
            for part, their in zip(parts, theirs, strict=True):
                yield from differences(part, their, f"{name}/{part.name}/")
        elif key not in left_out and not key.endswith(_NOT_COMPARED_ENDINGS):
            values = _comparable(own.get(key)), _comparable(saved.get(key))
            if values[0] != values[1] and not (key in _STATISTICS and _nearly_equal(*values)):
                yield Difference(name, key, *values)


def _models(layer: Any, key: str) -> list[keras.Model]:
    """The models that a layer holds in the attribute which `get_config` describes."""
    value = getattr(layer, key, None)
    values = value if isinstance(value, (list, tuple)) else [value]
    return list(values) if all(isinstance(each, keras.Model) for each in values) else []


def _comparable(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items() if key not in _NOT_COMPARED}
    return [_comparable(each) for each in value] if isinstance(value, (list, tuple)) else value


def _nearly_equal(own: Any, saved: Any) -> bool:
    # Deviations are given, and their squares kept.
    given = own is not None and saved is not None and np.shape(own) == np.shape(saved)
    return given and bool(np.allclose(own, saved, rtol=1e-6, atol=0))


def _reads(model: keras.Model) -> dict[str, list[Any]]:
    """The layers whose outputs each layer reads, by its name: one list for each time that it is called."""
    reads: dict[str, list[Any]] = {}
    for call in layer_calls(model):
        reads.setdefault(call.operation.name, []).append(_sources(call, model))
    return reads


def _sources(call: Any, model: keras.Model) -> list[str]:
    sources = (_source(tensor, model) for tensor in call.input_tensors)
    return [source for source in sources if source is not None]


def _source(tensor: Any, model: keras.Model) -> str | None:
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
    constants = [
        each for each in keras.tree.flatten(call.arguments.args[1:]) if not keras.backend.is_keras_tensor(each)
    ]
    return f"{type(operation).__name__}({', '.join(map(str, [*_sources(call, model), *constants]))})"


def preprocessing(saved: keras.Model) -> dict[str, Any]:
    """Returns what a saved model does to images first, as the arguments of builders that ask for it.

    Args:
        saved: What was loaded from a file.
    """
    layers = {layer.name: layer for layer in _all_layers(saved)}
    normalization, gamma = layers.get("standardize"), layers.get("gamma")
    statistics = None
    if isinstance(normalization, keras.layers.Normalization):
        means, variances = (np.ravel(np.asarray(each)) for each in (normalization.mean, normalization.variance))
        statistics = means.tolist(), np.sqrt(variances.astype("float64")).tolist()
    return {"standardize": statistics, "gamma": 1.0 if gamma is None else gamma.exponent}


def _all_layers(model: keras.Model) -> Iterator[Any]:
    for layer in model.layers:
        yield from _all_layers(layer) if isinstance(layer, keras.Model) else [layer]


def take_over(layer: keras.layers.Layer, donor: keras.layers.Layer) -> None:
    """Gives a layer the weights of one of the same settings, and what they mean something only with.

    Args:
        layer: The layer to fill.
        donor: Where from.
    """
    layer.set_weights(donor.get_weights())
    for own, theirs in zip(_parts(layer), _parts(donor), strict=True):
        # Statistics of batches mean what they meant only beside the epsilon with which they were learnt.
        for setting in ("epsilon", "momentum"):
            if hasattr(own, setting) and hasattr(theirs, setting):
                setattr(own, setting, getattr(theirs, setting))
        if isinstance(own, keras.layers.Normalization):
            own.input_mean, own.input_variance = theirs.input_mean, theirs.input_variance
            own.mean, own.variance = (
                keras.ops.cast(each, own.compute_dtype) for each in (theirs.mean, theirs.variance)
            )
        if isinstance(own, DerivesConstants):
            own.finalize_state()


def _parts(layer: keras.layers.Layer) -> Sequence[keras.layers.Layer]:
    return all_layers(layer)
