"""How layers compute that other layers own: in the owner's precision, or in one that decisions do not depend on."""

from typing import Any, TypeVar

import keras

from tf_routing.core.precision import float_policy, is_half

_Part = TypeVar("_Part", bound=keras.layers.Layer)


def part_policy(owner: keras.layers.Layer) -> Any:
    """Returns the dtype policy of a layer for those that it owns.

    Args:
        owner: The layer.

    Raises:
        ValueError: If the policy is one of quantised numbers.
    """
    return float_policy(owner.dtype_policy, type(owner).__name__)


def decision_policy(owner: keras.layers.Layer) -> Any:
    """Returns the dtype policy for the parts of a layer that compare scores: float32 where the owner's has less.

    A score in half precision is rounded so coarsely that whoever computes it another way, as sparse execution does,
    often decides otherwise.

    Args:
        owner: The layer.

    Raises:
        ValueError: If the policy is one of quantised numbers.
    """
    policy = part_policy(owner)
    return keras.DTypePolicy("float32") if is_half(policy.compute_dtype) else policy


def float_part(part: _Part) -> _Part:
    """Returns a layer that refuses `quantize`, which would change a part that its owner builds and saves as floats.

    `quantize` of a Keras model asks every layer inside layers, and leaves out, with a warning, those that refuse so.
    """

    def refuse(*args: Any, **kwargs: Any) -> None:
        """Raises the error that Keras expects."""
        raise NotImplementedError(f"Layer {part.path!r} is part of another layer and stays in floats.")

    part.quantize = refuse
    return part
