"""Which layers of a model an executor runs, and whether there is anything to skip."""

from collections.abc import Callable
from typing import Any

import keras

from tf_routing.core.protocols import Gated, SetsExecution


def gated_blocks(model: keras.Model) -> list[Any]:
    """Returns the layers of a model, and of models inside it, that an executor runs.

    Args:
        model: The model.

    Example:

    >>> from tf_routing import execution, zoo
    >>> len(execution.gated_blocks(zoo.get("dmnn50_cifar_n2", width_multiplier=0.125)))
    16
    """
    return _find_gated(model, lambda inner: True)


def blocks_set_by(model: keras.Model) -> list[Any]:
    """Returns the `gated_blocks` of a model that run by its settings: not those of models inside with settings."""
    return _find_gated(model, lambda inner: not isinstance(inner, SetsExecution))


def _find_gated(model: keras.Model, looks_into: Callable[[keras.Model], bool]) -> list[Any]:
    blocks = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            blocks += _find_gated(layer, looks_into) if looks_into(layer) else []
        elif isinstance(layer, Gated):
            blocks.append(layer)
    return blocks


def check_skips(model: keras.Model, execution: str) -> None:
    """Raises if a model is to skip and has nothing to skip.

    Args:
        model: The model.
        execution: One of `EXECUTIONS`.

    Raises:
        ValueError: If `"sparse"` is asked of a model without parts that switch on and off, and without exits to choose.

    Example:

    >>> from tf_routing import execution, zoo
    >>> execution.check_skips(zoo.get("basecnn", width_multiplier=0.25), "auto")
    """
    if execution == "sparse" and not gated_blocks(model):
        raise ValueError(
            f"`execution` must be 'auto' or 'masked' for {model.name!r}: all of it runs for every image, and there is "
            "nothing to skip. Received: execution='sparse'"
        )
