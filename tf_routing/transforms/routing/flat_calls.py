"""The calls of a network in order of depth, those of models inside it among them, as if it were one flat graph."""

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.core.graph import layer_calls
from tf_routing.core.model_arguments import shows_graph
from tf_routing.core.protocols import SetsExecution


@dataclass(frozen=True, eq=False)
class FlatCall:
    """One call of a layer, or of an operation without weights.

    Args:
        operation: The layer.
        name: What its copy is called: its own name, with those of models around it where two have the same.
        args: Positional arguments, symbolic tensors among them.
        kwargs: Keyword arguments.
        inputs: The symbolic tensors that it reads.
        outputs: Those that it makes.
    """

    operation: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class FlatGraph:
    """A network as a list of calls.

    Args:
        calls: The calls, in order of depth.
        image: The symbolic tensor that the network reads.
        output: The one that it answers with.
    """

    calls: list[FlatCall]
    image: Any
    output: Any

    def readers(self) -> dict[Any, list[FlatCall]]:
        """Returns who reads each tensor."""
        found: dict[Any, list[FlatCall]] = {}
        for call in self.calls:
            for tensor in dict.fromkeys(call.inputs):
                found.setdefault(tensor, []).append(call)
        return found

    def makers(self) -> dict[Any, int]:
        """Returns the place in `calls` of the call that makes each tensor."""
        return {tensor: number for number, call in enumerate(self.calls) for tensor in call.outputs}


def list_calls(model: keras.Model) -> FlatGraph:
    """Returns a functional model of one input and one output as a flat list of calls.

    Functional and `Sequential` models inside it that are called once are opened. Any other stays one layer.

    Args:
        model: The model.

    Example:

    >>> image = keras.Input((4,), name="image")
    >>> inner = keras.Sequential([keras.Input((4,)), keras.layers.ReLU(name="relu")], name="inner")
    >>> [call.name for call in list_calls(keras.Model(image, inner(image))).calls]
    ['image', 'relu']
    """
    opening = _Opening()
    opening.open(model, list(model.inputs), {}, ())
    output = model.outputs[0]
    return FlatGraph(opening.calls, model.inputs[0], opening.alias.get(output, output))


class _Opening:
    """The calls of a model and of models inside it, as they are listed."""

    def __init__(self) -> None:
        self.calls: list[FlatCall] = []
        # The tensor of the flat graph that stands for one of a model inside, or for what that gives.
        self.alias: dict[Any, Any] = {}
        self._names: dict[Any, str] = {}
        self._taken: set[str] = set()

    def open(self, model: keras.Model, given: Sequence[Any], settings: Mapping[str, Any], path: Sequence[str]) -> None:
        """Lists the calls of a model.

        Args:
            model: The model.
            given: What stands for its inputs.
            settings: Call arguments such as `training` that it hands to all layers that take them.
            path: Names of the models around its layers.
        """
        calls = layer_calls(model)
        times = Counter(call.operation for call in calls)
        self.alias |= {inner: outer for inner, outer in zip(model.inputs, given, strict=True) if inner is not outer}
        for call in calls:
            layer = call.operation
            if isinstance(layer, keras.layers.InputLayer) and path:
                continue
            inputs = [self._find(tensor) for tensor in call.input_tensors]
            if times[layer] == 1 and _opens(layer, inputs):
                handed = {**settings, **_settings_of(call)}
                self.open(layer, inputs, handed, (*path, layer.name))
                inner = layer.outputs
                self.alias |= {outer: self._find(made) for outer, made in zip(call.output_tensors, inner, strict=True)}
            else:
                self._add(call, settings, path)

    def _find(self, tensor: Any) -> Any:
        return self.alias.get(tensor, tensor)

    def _add(self, call: Any, settings: Mapping[str, Any], path: Sequence[str]) -> None:
        args, kwargs = keras.tree.map_structure(self._replace, (call.arguments.args, call.arguments.kwargs))
        accepted = {name: value for name, value in settings.items() if _takes(call.operation, name)}
        inputs = tuple(self._find(tensor) for tensor in call.input_tensors)
        name = self._name(call.operation, path)
        self.calls.append(
            FlatCall(call.operation, name, args, {**accepted, **kwargs}, inputs, tuple(call.output_tensors))
        )

    def _replace(self, argument: Any) -> Any:
        return self._find(argument) if isinstance(argument, keras.KerasTensor) else argument

    def _name(self, layer: Any, path: Sequence[str]) -> str:
        if layer not in self._names:
            name, around = layer.name, list(path)
            while name in self._taken:
                name = f"{around.pop()}_{name}" if around else f"{name}_again"
            self._taken.add(name)
            self._names[layer] = name
        return self._names[layer]


def _opens(layer: Any, inputs: Sequence[Any]) -> bool:
    """Whether a layer is a model that can be written out where it is called."""
    # One with settings of its own decides how its parts run.
    if not shows_graph(layer) or isinstance(layer, SetsExecution):
        return False
    # A model brings what it is given to its type and rank, which a list of calls does not show.
    return [(len(t.shape), t.dtype) for t in inputs] == [(len(t.shape), t.dtype) for t in layer.inputs]


def _settings_of(call: Any) -> dict[str, Any]:
    training = call.arguments.kwargs.get("training")
    return {} if training is None else {"training": training}


def _takes(operation: Any, name: str) -> bool:
    return isinstance(operation, keras.Layer) and name in inspect.signature(operation.call).parameters
