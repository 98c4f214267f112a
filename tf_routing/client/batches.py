"""Input arrays cut into requests, and the outputs of the requests joined again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_routing.client.errors import ServingError

_NUMBERS = "buif"


def as_inputs(images: Any) -> dict[str, np.ndarray]:
    """Returns the inputs of a signature as arrays, by name.

    Args:
        images: Array of images, a list of encoded pictures as bytes, or a dict of `images` and auxiliary
            inputs.

    Returns:
        Dict of arrays of one length. Floats have 32 bits, which is what signatures take; bytes are objects.

    Raises:
        ValueError: If inputs are empty, differ in length, or hold neither numbers nor bytes.

    Example:

    >>> as_inputs(np.zeros((2, 8, 8, 3)))["images"].dtype
    dtype('float32')
    """
    given = images if isinstance(images, Mapping) else {"images": images}
    inputs = {name: _as_array(name, value) for name, value in given.items()}
    lengths = {name: len(value) for name, value in inputs.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"`images` must hold at least one image, and as many of everything. Received: {lengths}")
    return inputs


def _as_array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, Sequence) and len(value) and all(isinstance(each, bytes) for each in value):
        return np.array(value, dtype=object)
    array = np.asarray(value)
    if array.dtype.kind not in _NUMBERS or array.ndim == 0:
        raise ValueError(
            f"`{name}` must be an array of numbers, the images first, or a list of bytes, one per picture. "
            f"Received: {type(value).__name__} of type {array.dtype} and shape {array.shape}"
        )
    return array.astype("float32") if array.dtype.kind == "f" else array


def batches(inputs: Mapping[str, np.ndarray], batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the inputs in pieces of `batch_size` rows; the last one may be shorter."""
    count = len(next(iter(inputs.values())))
    for first in range(0, count, batch_size):
        yield {name: value[first : first + batch_size] for name, value in inputs.items()}


def join_answers(answers: Sequence[Mapping[str, np.ndarray]], count: int) -> dict[str, np.ndarray]:
    """Joins the outputs of all requests, by name.

    Raises:
        ServingError: If an output does not have one row per image.
    """
    outputs = {name: np.concatenate([np.atleast_1d(each[name]) for each in answers]) for name in answers[0]}
    for name, value in outputs.items():
        if len(value) != count:
            raise ServingError(f"The output {name!r} has {len(value)} rows for {count} images.")
    return outputs
