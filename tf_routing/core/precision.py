"""Which types of numbers are too coarse to decide by."""

from typing import Any


def is_half(dtype: object) -> bool:
    """Whether numbers of a type have 16 bits.

    Args:
        dtype: A type of numbers as any backend states it.

    Example:

    >>> is_half("bfloat16"), is_half("float32")
    (True, False)
    """
    # Importing Keras imports the layers, and these this.
    import keras

    return keras.backend.standardize_dtype(dtype) in ("float16", "bfloat16")


def float_policy(policy: Any, what: str) -> Any:
    """Returns a dtype policy if it is one of floats.

    Args:
        policy: A `keras.DTypePolicy`.
        what: Name of what is to compute by it.

    Raises:
        ValueError: If it is one of quantised numbers.
    """
    if getattr(policy, "quantization_mode", None) is not None:
        raise ValueError(
            f"{what} computes in floats only: in fewer bits routers would decide otherwise. Received: dtype policy "
            f"{policy.name!r}; 'float32', 'mixed_float16' and 'mixed_bfloat16' are accepted."
        )
    return policy
