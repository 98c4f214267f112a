"""The argument `input_tensor` of `zoo.get`: a graph of the user's own that ends where a network begins."""

from typing import Any


def check_tensor(tensor: Any, input_shape: tuple[int | None, int | None, int] | None) -> None:
    """Raises a `ValueError` that names the argument unless a network can read this tensor.

    Args:
        tensor: What the user gave.
        input_shape: What the user gave beside it, or `None`.

    Example:

    >>> import keras
    >>> check_tensor(keras.layers.Rescaling(1 / 255)(keras.Input((32, 32, 3))), None)
    """
    # Here: names are listed without Keras.
    import keras

    if not isinstance(tensor, keras.KerasTensor):
        raise ValueError(
            "`input_tensor` must be a symbolic tensor: a `keras.Input`, or what layers make of one. "
            f"Received: {type(tensor).__name__}"
        )
    if len(tensor.shape) != 4 or tensor.shape[-1] is None or not keras.backend.is_float_dtype(tensor.dtype):
        raise ValueError(
            "`input_tensor` must hold float images of shape (batch, height, width, channels). "
            f"Received: shape {tensor.shape}, dtype {tensor.dtype}"
        )
    if input_shape is not None and tuple(input_shape) != tuple(tensor.shape[1:]):
        raise ValueError(
            f"`input_shape` must be that of `input_tensor`, {tuple(tensor.shape[1:])}, or be left out. "
            f"Received: input_shape={input_shape!r}"
        )
    find_source(tensor)


def find_source(tensor: Any) -> Any:
    """Returns the one `keras.Input` that a tensor is computed from, else raises a `ValueError`.

    Args:
        tensor: A symbolic tensor.
    """
    import keras

    sources = keras.utils.get_source_inputs(tensor)
    if len(sources) != 1:
        names = ", ".join(source.name for source in sources)
        raise ValueError(f"`input_tensor` must come from one `keras.Input`. Received: one from {names or 'none'}")
    return sources[0]
