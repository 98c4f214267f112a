"""Calls the layers of a graph one by one, with what a run of a batch has for them."""

from functools import partial
from typing import Any

import keras

from tf_routing.core.graph import run_calls
from tf_routing.core.private_apis import standardize_inputs
from tf_routing.core.protocols import SetsExecution, TakesRun
from tf_routing.execution.gated_layers import blocks_set_by
from tf_routing.execution.run import Run


def run_layers(graph: keras.Model, inputs: Any, training: bool | None, run: Run) -> Any:
    """Runs a graph layer by layer, and hands the run to those that take it.

    Args:
        graph: A functional model.
        inputs: What it is called with.
        training: Boolean.
        run: The run.

    Returns:
        Its outputs.
    """
    return run_calls(graph, standardize_inputs(graph, inputs), partial(call_layer, run, training))


def call_layer(run: Run, training: bool | None, layer: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Calls a layer of a graph, or an operation without weights, with what a run has for it.

    Args:
        run: The run.
        training: Boolean.
        layer: The layer or operation.
        *args: Positional arguments of the call.
        **kwargs: Keyword arguments of the call. Another `training` among them gives way, as where Keras runs a graph:
            it notes there what a layer's default was when it was called.

    Returns:
        The layer's outputs.
    """
    if isinstance(layer, keras.Layer) and training is not None:
        kwargs["training"] = training
    if isinstance(layer, TakesRun):
        kwargs["run"] = run
    elif isinstance(layer, keras.Function) and not isinstance(layer, SetsExecution) and blocks_set_by(layer):
        # Keras hands a model inside nothing but `training`.
        return run_layers(layer, args[0], training, run)
    return layer(*args, **kwargs)
