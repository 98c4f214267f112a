"""Folds batch normalisation into the convolutions before it: the same numbers at inference, with fewer layers."""

from collections import Counter
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.core.model_arguments import require_graph_model, shows_graph
from tf_routing.core.private_apis import all_layers, maker_of
from tf_routing.core.protocols import DerivesConstants, OwnsModels, OwnsNormalizations
from tf_routing.layers import GroupedConv2D
from tf_routing.models.budgets.set_budget import copy_budgets

_LINEAR = (keras.layers.Conv2D, GroupedConv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Returns a copy of a model, for inference, with batch normalisations folded into the layers before them.

    A `BatchNormalization` is folded where it directly follows a `Conv2D`, `DepthwiseConv2D` or `Dense` layer that is
    called once, has no activation, and whose output nothing else reads: `kernel' = f kernel` and
    `bias' = f (bias - mean) + beta` with `f = gamma / sqrt(variance + epsilon)`. Any other stays, among them those
    that the graph calls with `training=True`, and those after a subclass that computes the convolution differently.
    Models inside the model are folded too, and the normalisations inside junctions.

    Layers that are left keep their name, dtype policy and weights, and a model keeps its class, if that is constructed
    as `keras.Model` is. In training a folded model has nothing to normalise.

    Args:
        model: A functional Keras model, such as a `RoutedModel`, or a built `keras.Sequential`. It is not changed.

    Returns:
        The folded model, which shares no weights with `model`.

    Raises:
        ValueError: If `model` is neither functional nor a built `Sequential`.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> maps = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    >>> folded = fold_batch_norm(keras.Model(image, keras.layers.BatchNormalization()(maps)))
    >>> len(folded.layers), folded.get_layer("conv").use_bias
    (2, True)
    """
    require_graph_model(model)
    folded = _Folding(model).run()
    copy_budgets(model, folded)
    return _freeze_like(model, folded)


class _Folding:
    """The folding of one graph: which normalisation goes into which layer, and the copies of the layers so far."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        calls = layer_calls(model)
        # Batch normalisation that is called with `training=True` reads the statistics of the batch at inference too.
        self.always_training = {call.operation for call in calls if call.arguments.kwargs.get("training") is True}
        foldable = _find_foldable(model, calls)
        self.folds = {layer: norm for layer, norm in foldable.items() if norm not in self.always_training}
        self.dropped = set(self.folds.values())
        self.copies: dict[Any, Any] = {}

    def run(self) -> keras.Model:
        """Builds the folded model, and fills in its weights."""
        if isinstance(self.model, keras.Sequential):
            folded = self._fold_sequential()
        else:
            inputs = keras.tree.map_structure(_copy_input, self.model.input)
            folded = keras.models.clone_model(self.model, inputs, clone_function=self._copy, call_function=self._call)
        for layer, copy in self.copies.items():
            if isinstance(layer, keras.Layer):
                _copy_state(layer, copy, self.folds.get(layer))
        return folded

    def _fold_sequential(self) -> keras.Sequential:
        # Keras takes no `call_function` for a Sequential.
        copies = {layer: self._copy(layer) for layer in self.model.layers}
        layers = [copies[layer] for layer in self.model.layers if layer not in self.dropped]
        folded = keras.Sequential([_copy_input(self.model.inputs[0]), *layers], name=self.model.name)
        if self.model.compiled:
            folded.compile_from_config(self.model.get_compile_config())
        return folded

    def _copy(self, layer: Any) -> Any:
        if layer in self.dropped:
            return layer
        if layer not in self.always_training:
            if shows_graph(layer):
                return fold_batch_norm(layer)
            if isinstance(layer, OwnsModels):
                return layer.rebuilt(fold_batch_norm)
            if isinstance(layer, OwnsNormalizations):
                return layer.without_normalization(_fold_weights)
        bias = {"use_bias": True} if layer in self.folds else {}
        self.copies[layer] = type(layer).from_config({**layer.get_config(), **bias})
        return self.copies[layer]

    def _call(self, layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer in self.dropped:
            return args[0] if args else kwargs["inputs"]
        return layer(*args, **kwargs)


def _find_foldable(model: keras.Model, calls: list[Any]) -> dict[Any, Any]:
    """Returns the batch normalisation that can be folded into a layer, by layer."""
    times = Counter(call.operation for call in calls)
    readers = Counter(tensor for call in calls for tensor in call.input_tensors)
    readers.update(model.outputs)
    folds = {}
    for call in calls:
        if type(call.operation) is keras.layers.BatchNormalization and len(call.input_tensors) == 1:
            source, normalization = call.input_tensors[0], call.operation
            layer = maker_of(source).call.operation
            alone = times[layer] == times[normalization] == readers[source] == 1
            if alone and _is_linear(layer) and _channel_axis(layer, source) == normalization.axis % len(source.shape):
                folds[layer] = normalization
    return folds


def _is_linear(layer: Any) -> bool:
    """Whether every channel of the output is a linear function of its part of the kernel and bias."""
    # A subclass may compute differently: standardise its kernel, say.
    computing = ("call", "convolution_op", "kernel")
    plain = any(
        isinstance(layer, known)
        and all(getattr(type(layer), name, None) is getattr(known, name, None) for name in computing)
        for known in _LINEAR
    )
    # Quantisation and LoRA add weights.
    return plain and layer.activation is keras.activations.linear and len(layer.weights) == 1 + layer.use_bias


def _channel_axis(layer: Any, output: Any) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else len(output.shape) - 1


def _copy_input(tensor: Any) -> Any:
    # Not a `keras.Input` of the tensor's shape: a tensor may have another name than its layer.
    return keras.layers.InputLayer.from_config(maker_of(tensor).call.operation.get_config()).output


def _freeze_like(layer: Any, copy: Any) -> Any:
    # Only where it is frozen: setting the flag sets those of all layers inside, which are set by now.
    if not layer.trainable:
        copy.trainable = False
    return copy


def _copy_state(layer: Any, copy: Any, normalization: Any) -> None:
    """Gives a copy the weights and flags of its layer, with a normalisation folded in where there is one."""
    if normalization is not None:
        copy.set_weights(_fold_weights(layer, normalization))
    elif getattr(layer, "quantization_mode", None) is not None:
        # By place in the file: a layer that was quantised has its weights in another order than one built so.
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        copy.load_own_variables(store)
    else:
        copy.set_weights(layer.get_weights())
    for old, new in zip(all_layers(layer), all_layers(copy), strict=True):
        new.trainable = old.trainable
        if isinstance(new, DerivesConstants):
            new.finalize_state()


def _fold_weights(layer: Any, normalization: Any) -> list[np.ndarray]:
    kernel, bias = _array(layer.kernel), _array(layer.bias) if layer.use_bias else 0.0
    gamma = _array(normalization.gamma) if normalization.scale else 1.0
    beta = _array(normalization.beta) if normalization.center else 0.0
    factor = gamma / np.sqrt(_array(normalization.moving_variance) + normalization.epsilon)
    # A depthwise kernel ends in channels and multiplier, any other in the output's channels.
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    per_channel = factor.reshape(kernel.shape[-2:]) if depthwise else factor
    return [kernel * per_channel, (bias - _array(normalization.moving_mean)) * factor + beta]


def _array(weight: Any) -> np.ndarray:
    return np.asarray(weight).astype("float64")
