"""Tells whether two blocks compute the same from weights of their own."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from tf_routing.core.private_apis import calls_by_depth

# Layers of these depend on their configuration, weights and inputs alone when they do not train.
_KNOWN = (
    "tf_routing.",
    *(
        f"keras.src.layers.{room}"
        for room in (
            *("activations.", "convolutional.", "core.dense", "core.input_layer", "merging."),
            *("normalization.", "pooling.", "regularization.dropout", "reshaping."),
        )
    ),
)
# What a layer is called, and how its weights begin and train, says nothing about what it computes.
_ENDINGS = ("name", "trainable", "_initializer", "_regularizer", "_constraint")


class Likeness(NamedTuple):
    """What a block computes, in words, and the variables that it computes with, in an order that goes with these."""

    text: str
    variables: list[keras.Variable]


def describe(layer: Any) -> Likeness | None:
    """Returns what a layer computes, `None` where that is not known from its configuration and weights alone.

    Args:
        layer: A block, as `core.protocols.RunsSubBlocks`, or a functional model.

    Example:

    >>> from tf_routing import execution, zoo
    >>> from tf_routing.execution.likeness import describe
    >>> blocks = execution.gated_blocks(zoo.get("drn_resnet32", width_multiplier=0.125))
    >>> len({describe(block).text for block in blocks}), len(blocks)
    (5, 15)
    """
    found = _Variables()
    try:
        told = _describe_graph(layer, found) if isinstance(layer, keras.Model) else _describe_block(layer, found)
        return Likeness(json.dumps(told, sort_keys=True), found.variables)
    except (_Unknown, TypeError):
        return None


def _describe_block(block: Any, found: "_Variables") -> list[Any]:
    parts = [*block.sub_blocks, block.shortcut]
    told = [_describe_graph(part, found) if isinstance(part, keras.Model) else part for part in parts]
    # First: of a kind that is not known here, nothing more is.
    kind = _name(block)
    own = {name: _plain(value) for name, value in block.own_settings().items()}
    return [kind, block.compute_dtype, _plain(keras.activations.serialize(block.activation)), own, *told]


class _Unknown(Exception):
    """Something computes with what no configuration holds."""


class _Variables:
    """The variables seen so far: what two layers share has one number."""

    def __init__(self) -> None:
        self.variables: list[keras.Variable] = []
        self._numbers: dict[int, int] = {}

    def describe(self, variables: Sequence[keras.Variable]) -> list[Any]:
        """Returns number, shape and type of each, and remembers those that are new."""
        # By identity: variables cannot be keys.
        self.variables += [each for each in variables if id(each) not in self._numbers]
        self._numbers = {id(each): number for number, each in enumerate(self.variables)}
        return [[self._numbers[id(each)], list(each.shape), str(each.dtype)] for each in variables]


def _describe_graph(model: keras.Model, found: _Variables) -> list[Any]:
    if len(model.variables) != len(model.weights):
        # The states of random draws change when the graph runs.
        raise _Unknown
    tensors: dict[Any, int] = {}

    def number(argument: Any) -> Any:
        """Returns the number of a symbolic tensor, in words; any other argument as it is."""
        if not isinstance(argument, keras.KerasTensor):
            return argument
        return f"tensor {tensors.setdefault(argument, len(tensors))}"

    told = []
    for call in calls_by_depth(model):
        arguments = keras.tree.map_structure(number, (list(call.arguments.args), call.arguments.kwargs))
        outputs = [number(tensor) for tensor in call.output_tensors]
        told.append([_describe_layer(call.operation), arguments, outputs, found.describe(call.operation.variables)])
    return [*told, [number(tensor) for tensor in model.outputs]]


def _describe_layer(layer: Any) -> list[Any]:
    changed = (
        "call" in vars(layer) or getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None)
    )
    if changed or not isinstance(layer, keras.Layer) or isinstance(layer, keras.Model):
        raise _Unknown
    kept = {name: _plain(value) for name, value in layer.get_config().items() if not name.endswith(_ENDINGS)}
    return [_name(layer), kept]


def _name(layer: Any) -> str:
    name = f"{type(layer).__module__}.{type(layer).__qualname__}"
    if not name.startswith(_KNOWN):
        raise _Unknown
    return name


def _plain(value: Any) -> Any:
    """Returns a value of a configuration; raises where it stands for a function or an object, such as a user's own."""
    if isinstance(value, dict):
        if value.get("class_name") != "DTypePolicy":
            raise _Unknown
    elif isinstance(value, (list, tuple)):
        for each in value:
            _plain(each)
    return value
