"""The graph of a functional model: the calls of its layers, how to run them one by one, and which layers only decide.

Symbolic tensors are compared by identity, so that they can be keys of dicts.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_routing.core.model_arguments import require_graph_model
from tf_routing.core.private_apis import calls_by_depth, maker_of
from tf_routing.core.protocols import HasThresholds

if TYPE_CHECKING:
    import keras

# Keras is imported in the functions: importing it registers the layers, and what they import imports this module.


def layer_calls(model: "keras.Model") -> list[Any]:
    """Returns the calls of the layers of a functional or `Sequential` model, in order of depth.

    Args:
        model: The model.

    Returns:
        List of what Keras calls nodes, one per call: `operation` is the layer, `input_tensors` and `output_tensors` are
        lists of symbolic tensors, and `arguments` holds the `args` and `kwargs` of the call.

    Raises:
        ValueError: If `model` is neither functional nor a built `Sequential`.

    Example:

    >>> image = keras.Input((4,), name="image")
    >>> shared = keras.layers.Dense(4, name="shared")
    >>> [call.operation.name for call in layer_calls(keras.Model(image, shared(shared(image))))]
    ['image', 'shared', 'shared']
    """
    return calls_by_depth(_show_graph(model))


def _show_graph(model: "keras.Model") -> "keras.Model":
    import keras

    require_graph_model(model)
    if not isinstance(model, keras.Sequential):
        return model
    # A Sequential hides its graph; a functional model over the same tensors shows it.
    outputs = model.outputs
    return keras.Model(model.inputs[0], outputs[0] if len(outputs) == 1 else outputs)


def call_arguments(call: Any, values: Mapping[Any, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments of a call with values in the place of its symbolic tensors.

    Args:
        call: One of `layer_calls`.
        values: What stands for each symbolic tensor.

    Returns:
        Pair of positional arguments, a tuple, and keyword arguments, a dict.

    Example:

    >>> image = keras.Input((4,))
    >>> call = layer_calls(keras.Model(image, keras.layers.Dense(4)(image)))[-1]
    >>> call_arguments(call, {image: "an image"})
    (('an image',), {})
    """

    import keras

    def fill_in(argument: Any) -> Any:
        """Returns the value of a symbolic tensor; any other argument is its value."""
        return values[argument] if isinstance(argument, keras.KerasTensor) else argument

    return keras.tree.map_structure(fill_in, (call.arguments.args, call.arguments.kwargs))


def run_calls(model: "keras.Model", inputs: Any, run: Callable[..., Any]) -> Any:
    """Runs a model layer by layer, in order of depth, through a function that sees every call.

    Args:
        model: A functional or built `Sequential` model.
        inputs: What the model is called with, a tensor or a structure of tensors.
        run: Function that takes a layer and the arguments of its call, and returns what the layer would.

    Returns:
        The outputs, in the structure of `model.output`.

    Example:

    >>> image = keras.Input((2,), name="image")
    >>> model = keras.Model(image, keras.layers.ReLU(name="relu")(image))
    >>> run_calls(model, keras.ops.array([[-1.0, 1.0]]), lambda layer, x: layer(x) + 2).numpy().tolist()
    [[2.0, 3.0]]
    """
    import keras

    graph = _show_graph(model)
    values = _run_graph(graph, keras.tree.flatten(inputs), run)
    return keras.tree.map_structure(values.__getitem__, graph.output)


def run_function(function: Any, inputs: Sequence[Any], run: Callable[..., Any]) -> list[Any]:
    """Runs a part of a graph as `run_calls` runs all of it.

    Args:
        function: A `keras.Function`, which may begin and end at any tensors of a graph.
        inputs: List of what stands for its inputs.
        run: As for `run_calls`.

    Returns:
        List of its outputs.

    Example:

    >>> image = keras.Input((2,), name="image")
    >>> twice = keras.layers.ReLU(name="twice")(keras.layers.ReLU(name="once")(image))
    >>> part = keras.Function(twice, keras.layers.Rescaling(2.0, name="double")(twice))
    >>> run_function(part, [3.0], lambda layer, x: f"{layer.name} of {x}")
    ['double of 3.0']
    """
    values = _run_graph(function, inputs, run)
    return [values[output] for output in function.outputs]


def _run_graph(graph: Any, inputs: Sequence[Any], run: Callable[..., Any]) -> dict[Any, Any]:
    """Returns what stands for each tensor of a graph."""
    import keras

    values = dict(zip(graph.inputs, inputs, strict=True))
    for call in calls_by_depth(graph):
        # Calls whose outputs are given are left out, and input layers, which read nothing.
        if call.input_tensors and not values.keys() >= set(call.output_tensors):
            args, kwargs = call_arguments(call, values)
            outputs = keras.tree.flatten(run(call.operation, *args, **kwargs))
            values.update(zip(call.output_tensors, outputs, strict=True))
    return values


def trace_back(tensors: Sequence[Any], known: Collection[Any]) -> tuple[dict[Any, None], dict[Any, None]]:
    """Returns what has to be computed of a graph so that some of its tensors can be, where others are there already.

    Args:
        tensors: Symbolic tensors.
        known: Those that are there.

    Returns:
        Pair of the tensors that have to be made, and those of `known` that are read for it. Both are dicts without
        values, sets that keep their order.

    Example:

    >>> image = keras.Input((4,), name="image")
    >>> first = keras.layers.Dense(4, name="first")(image)
    >>> second = keras.layers.Dense(4, name="second")(first)
    >>> made, read = trace_back([second], known=[first])
    >>> list(made) == [second], list(read) == [first]
    (True, True)
    """
    made: dict[Any, None] = {}
    read: dict[Any, None] = {}
    there, left = dict.fromkeys(known), list(reversed(tensors))
    while left:
        tensor = left.pop()
        if tensor in there:
            read[tensor] = None
        elif tensor not in made:
            call = maker_of(tensor).call
            made.update(dict.fromkeys(call.output_tensors))
            left += reversed(call.input_tensors)
    return made, read


def operation_class(function: Callable[[Any], Any]) -> type:
    """Returns the class of the operation that a function adds to a graph; Keras has no public name for it.

    Args:
        function: Takes symbolic maps `(batch, height, width, channels)`, and does one thing to them.

    Example:

    >>> operation_class(keras.ops.relu).__name__
    'Relu'
    """
    import keras

    return type(maker_of(function(keras.KerasTensor((None, 2, 2, 2)))).call.operation)


def deciding_layers(model: "keras.Model") -> list[Any]:
    """Returns the layers of a functional model that do nothing but decide, in order of depth.

    These are routers with thresholds, and layers whose outputs only such layers read.

    Args:
        model: A functional or built `Sequential` model.

    Example:

    >>> from tf_routing import zoo
    >>> net = zoo.get("drn_resnet32", router="recurrent", width_multiplier=0.25)
    >>> [layer.name for layer in deciding_layers(net)][:4]
    ['router_1_means', 'router_1_features', 'router_memory', 'router_1']
    """
    calls = layer_calls(model)
    readers: dict[Any, list[Any]] = {}
    for call in calls:
        for tensor in call.input_tensors:
            readers.setdefault(tensor, []).append(call.operation)
    deciding: dict[Any, bool] = {}
    for call in reversed(calls):
        layer = call.operation
        reading = [reader for tensor in call.output_tensors for reader in readers.get(tensor, [])]
        # A layer that is called several times, along the depth, reads itself.
        decides = bool(reading) and all(deciding[reader] for reader in reading if reader is not layer)
        deciding[layer] = isinstance(layer, HasThresholds) or (decides and deciding.get(layer, True))
    return [layer for layer in dict.fromkeys(call.operation for call in calls) if deciding[layer]]
