"""Hands settings, objective, budgets and input range of a model on to the copies that Keras draws of its graph."""

import weakref
from typing import Any

import keras

from tf_routing.core.private_apis import maker_of
from tf_routing.models.inputs.input_range import input_range, note_range


def mark_source(model: Any, outputs: Any) -> None:
    """Notes on symbolic tensors from whose graph they were drawn.

    `keras.models.clone_model` draws a graph anew and calls the class with its tensors. It asks for no configuration and
    hands over nothing else.
    """
    for tensor in keras.tree.flatten(outputs):
        if isinstance(tensor, keras.KerasTensor):
            tensor._routed_source = weakref.ref(model)


def inherit(model: Any) -> None:
    """Takes over the settings of the model from whose graph a new one's was drawn, if it was."""
    tensor = model.outputs[0]
    source = getattr(tensor, "_routed_source", lambda: None)()
    # Where a model was called as a layer the tensor comes out of that model, and is no copy of its graph.
    if source is not None and maker_of(tensor).call.operation is not source and type(source) is type(model):
        model.trained_objective.default = source.trained_objective.default
        model.apply_settings(source.executor.settings)
        model.budget_state = source.budget_state
        note_range(model, input_range(source))
