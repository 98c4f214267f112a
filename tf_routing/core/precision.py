"""Precision of numbers: which types are too coarse to decide by, and which dtype policies layers accept."""

from typing import Any


def is_half(dtype: object) -> bool:
    """Returns whether a type of floats has 16 bits.

    Args:
        dtype: A dtype of any backend, or its name.

    Example:

    >>> is_half("bfloat16"), is_half("float32")
    (True, False)
    """
    # Importing Keras registers the layers, which import this module.
    import keras

    return keras.backend.standardize_dtype(dtype) in ("float16", "bfloat16")


def float_policy(policy: Any, what: str) -> Any:
    """Returns a dtype policy unchanged if it is one of floats.

    Args:
        policy: A `keras.DTypePolicy`.
        what: Name of the layer or model that is to compute in it.

    Raises:
        ValueError: If it is one of quantised numbers.
    """
    if getattr(policy, "quantization_mode", None) is not None:
        raise ValueError(
            f"{what} computes in floats only: in fewer bits routers would decide otherwise. Received: dtype policy "
            f"{policy.name!r}; 'float32', 'mixed_float16' and 'mixed_bfloat16' are accepted."
        )
    return policy
