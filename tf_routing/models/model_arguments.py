"""Refuses arguments that are no routed models, and says how to get one."""

from typing import Any

from tf_routing.core.model_arguments import describe_received
from tf_routing.models.routed_model import RoutedModel


def require_routed_model(model: Any, argument: str = "model") -> RoutedModel:
    """Returns a model that is a `RoutedModel`, such as an `Ensemble`, else raises a `ValueError` that says what to do.

    Args:
        model: What a function was given.
        argument: Name of its argument.

    Example:

    >>> from tf_routing.models.model_arguments import require_routed_model
    >>> try:
    ...     require_routed_model("runs/digits/model.keras")
    ... except ValueError as error:
    ...     print(error)
    `model` must be a RoutedModel. Received: model='runs/digits/model.keras', a path: load it with \
keras.saving.load_model first.
    """
    if not isinstance(model, RoutedModel):
        raise ValueError(f"`{argument}` must be a RoutedModel. Received: {describe_received(model, argument)}")
    return model
