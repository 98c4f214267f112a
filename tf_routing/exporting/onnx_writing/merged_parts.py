r"""Parts of a block that run on the same rows, as if they were one: half as many convolutions, each twice as wide.

For parts $f_i$ of convolutions in a row, with kernels $K_{i,1}, \dots, K_{i,n}$ and the same windows and activations,

    sum_i f_i(x) = (K_n * act(... act(K_1 * x)))

where `K_1` holds the filters of all $K_{i,1}$ side by side, those between are grouped convolutions, a group per part,
and `K_n` reads the channels of all parts, so that it adds their results.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from tf_routing.core.graph import layer_calls
from tf_routing.exporting.onnx_writing.channel_padding import missing_channels
from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.layers import activate, add_convolution, array


@dataclass(frozen=True)
class Step:
    """A convolution of a part, and what activates it.

    Args:
        layer: The `keras.layers.Conv2D`.
        kernel: Its kernel `(height, width, channels, filters)`, with channels of zeros up to whole blocks.
        bias: Its bias `(filters,)`.
        activation: The activation's name.
    """

    layer: Any
    kernel: np.ndarray
    bias: np.ndarray
    activation: str

    @property
    def form(self) -> tuple[Any, ...]:
        """What must be the same for two of them to be merged."""
        layer = self.layer
        window = layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate
        return (*window, self.kernel.shape[-1], self.activation)


def find_steps(parts: Sequence[keras.Model]) -> list[list[Step]] | None:
    """Returns the convolutions of every part, `None` where parts are no rows of alike convolutions.

    Args:
        parts: Models of the same shapes.

    Example:

    >>> maps = keras.Input((4, 4, 3))
    >>> rows = [[maps, keras.layers.Conv2D(7, 1, activation="relu"), keras.layers.Conv2D(3, 1)] for _ in range(2)]
    >>> [[step.kernel.shape for step in steps] for steps in find_steps([keras.Sequential(row) for row in rows])]
    [[(1, 1, 3, 8), (1, 1, 8, 3)], [(1, 1, 3, 8), (1, 1, 8, 3)]]
    """
    steps = [_list_steps(part) for part in parts]
    forms = {tuple(step.form for step in each) for each in steps}
    # Behind the last convolution results are added.
    fits = len(forms) == 1 and len(steps[0]) > 1 and steps[0][-1].activation == "linear"
    return [_pad(each) for each in steps] if fits else None


def _list_steps(part: keras.Model) -> list[Step]:
    """Returns the convolutions of a model that is a row of them, else nothing."""
    steps: list[Step] = []
    before = part.inputs[0]
    for call in layer_calls(part):
        layer = call.operation
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if call.input_tensors != [before]:
            return []
        (before,) = call.output_tensors
        if type(layer) is keras.layers.Conv2D and layer.groups == 1:
            bias = array(layer.bias) if layer.use_bias else np.zeros(layer.filters, "float32")
            steps.append(Step(layer, array(layer.kernel), bias, layer.activation.__name__))
        elif steps and steps[-1].activation == "linear" and _is_relu(layer):
            steps[-1] = replace(steps[-1], activation="relu")
        else:
            return []
    return steps


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return not (layer.negative_slope or layer.threshold or layer.max_value)
    return isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.relu


def _pad(steps: list[Step]) -> list[Step]:
    """Returns the steps with channels of zeros between them, which ReLU and no activation leave zeros."""
    padded, before = [], 0
    for number, step in enumerate(steps):
        keeps = number < len(steps) - 1 and step.activation in ("relu", "linear")
        more = missing_channels(step.kernel.shape[-1]) if keeps else 0
        kernel = np.pad(step.kernel, ((0, 0), (0, 0), (0, before), (0, more)))
        padded.append(replace(step, kernel=kernel, bias=np.pad(step.bias, (0, more))))
        before = more
    return padded


def write_merged(graph: Graph, steps: Sequence[Sequence[Step]], x: Value) -> Value:
    """Adds the nodes of parts that run together, and returns the sum of their results.

    The file puts kernels together when it is loaded: each is in it once, however many groups of parts it is in.

    Args:
        graph: The graph.
        steps: Those of every part, one at least.
        x: What all parts read.
    """
    last = len(steps[0]) - 1
    for number, alike in enumerate(zip(*steps, strict=True)):
        is_last, layer = number == last, alike[0].layer
        kernels = [graph.constant(step.kernel.transpose(3, 2, 0, 1)) for step in alike]
        kernel = graph.add("Concat", *kernels, axis=int(is_last)) if len(kernels) > 1 else kernels[0]
        biases = [step.bias for step in alike]
        bias = np.sum(biases, axis=0, dtype="float32") if is_last else np.concatenate(biases)
        filters = len(bias)
        groups = len(steps) if 0 < number < last else 1
        x = add_convolution(graph, x, kernel, filters, graph.constant(bias), layer, groups)
        x = Value(activate(graph, keras.activations.get(alike[0].activation), x.name), x.shape)
    return x
