"""Refuses arguments that are no functional models, and says what to call instead."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def require_graph_model(model: Any, argument: str = "model") -> "keras.Model":
    """Returns a model that shows its graph: a functional one, or a built `Sequential`.

    Args:
        model: The argument of a function.
        argument: Its name.

    Raises:
        ValueError: If it is none; the error says how to get one.

    Example:

    >>> import keras
    >>> from tf_routing.core.model_arguments import require_graph_model
    >>> image = keras.Input((8, 8, 3))
    >>> require_graph_model(keras.Model(image, keras.layers.Flatten()(image))).output_shape
    (None, 192)
    """
    if not shows_graph(model):
        raise ValueError(
            f"`{argument}` must be a functional model or a built Sequential: other models do not show which layer "
            f"reads which. Received: {describe_received(model, argument)}"
        )
    return model


def describe_received(model: Any, argument: str) -> str:
    """Returns what an error says of a value that is not the model it should be: what it is, and what makes one of it.

    Args:
        model: What a function was given.
        argument: Name of its argument.
    """
    import keras

    if isinstance(model, (str, os.PathLike)):
        return f"{argument}={str(model)!r}, a path: load it with keras.saving.load_model first."
    is_model = isinstance(model, keras.Model)
    shown = f"{argument}={(model.name if is_model else model)!r} of type {type(model).__name__}"
    if is_model and shows_graph(model):
        return (
            f"{shown}: tf_routing.RoutedModel({argument}.inputs[0], {argument}.outputs[0]) makes one of it; "
            f"{argument}.export writes it as it is."
        )
    if is_model and isinstance(model, keras.Function) and model.inputs and not _computes_its_graph(model):
        return f"{shown}, whose `call` is its own: let what it adds be layers of the graph."
    return f"{shown}: build it with keras.Input." if is_model else f"{shown}: tf_routing.zoo.get(name) builds one."


def shows_graph(model: Any) -> bool:
    """Returns whether something is a model that shows which layer reads which.

    Args:
        model: Anything.
    """
    # Importing Keras registers the layers, and what they import imports this module.
    import keras

    if not isinstance(model, keras.Model) or not isinstance(model, (keras.Function, keras.Sequential)):
        return False
    # A Sequential has no inputs before it is built.
    return bool(getattr(model, "inputs", None)) and _computes_its_graph(model)


def _computes_its_graph(model: Any) -> bool:
    """Whether calling a model is what its graph shows, and no class has made something else of it."""
    owner = next(each for each in type(model).__mro__ if "call" in vars(each))
    return owner.__module__.partition(".")[0] in ("keras", __name__.partition(".")[0])
