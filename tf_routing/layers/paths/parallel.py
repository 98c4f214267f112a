"""The check that parallel tensors have one shape, and their form as a list."""

from collections.abc import Sequence
from typing import Any

from tf_routing.core.tensors import Tensor
from tf_routing.layers.channels_last import check_channels_last


def as_parallel(layer: Any, inputs: Tensor, count: int) -> list[Any]:
    """Returns `inputs` as a list of `count` tensors of one shape; a single tensor becomes a list of one."""
    tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if len(tensors) != count:
        raise ValueError(f"{layer.name!r} was built for {count} inputs. Received: {len(tensors)} tensors")
    parallel_shapes(type(layer).__name__, [tuple(tensor.shape) for tensor in tensors])
    return tensors


def parallel_shapes(owner: str, input_shape: Any) -> list[tuple[Any, ...]]:
    """Returns the shapes of parallel inputs as a list; raises a `ValueError` unless they are equal, of rank 2 or 4."""
    shapes: Sequence[Any] = input_shape if input_shape and isinstance(input_shape[0], (list, tuple)) else [input_shape]
    shapes = [tuple(shape) for shape in shapes]
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise ValueError(f"The inputs of {owner} must have the same shape. Received shapes: {shapes}")
    if len(shapes[0]) not in (2, 4):
        raise ValueError(
            f"{owner} takes tensors (batch, height, width, channels) or (batch, channels). Received shapes: {shapes}"
        )
    if len(shapes[0]) == 4:
        check_channels_last(owner)
    return list(shapes)
