"""The dtype policies of layers inside composite layers, and how these refuse to be quantised."""

from typing import Any, TypeVar

import keras

from tf_routing.core.precision import float_policy, is_half

_Part = TypeVar("_Part", bound=keras.layers.Layer)


def part_policy(owner: keras.layers.Layer) -> Any:
    """Returns the dtype policy that a composite layer hands to its parts.

    Args:
        owner: The layer.

    Raises:
        ValueError: If the policy is one of quantised numbers.
    """
    return float_policy(owner.dtype_policy, type(owner).__name__)


def decision_policy(owner: keras.layers.Layer) -> Any:
    """Returns the dtype policy for parts that compute and compare scores: float32 where the owner has half precision.

    In half precision scores are rounded so coarsely that masked and sparse execution, which compute them in different
    orders, would often decide differently.

    Args:
        owner: The layer.

    Raises:
        ValueError: If the policy is one of quantised numbers.
    """
    policy = part_policy(owner)
    return keras.DTypePolicy("float32") if is_half(policy.compute_dtype) else policy


def float_part(part: _Part) -> _Part:
    """Makes a layer refuse `quantize`, since its owner builds and saves it in floats, and returns it.

    `keras.Model.quantize` asks every nested layer, and skips with a warning those that raise `NotImplementedError`.
    """

    def refuse(*args: Any, **kwargs: Any) -> None:
        """Raises the error by which Keras recognises layers that it must not quantise."""
        raise NotImplementedError(f"Layer {part.path!r} is part of another layer and stays in floats.")

    part.quantize = refuse
    return part
