"""What networks take for images, whether they are called, fitted or exported: types, shapes, bytes, broken images."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_routing.core.pixel_values import LARGEST_BYTE, scale_to
from tf_routing.models.inputs.batches import image_input, to_arrays
from tf_routing.models.inputs.input_range import bytes_in_words, input_range, range_in_words

_BYTE = "uint8"


def image_part(x: Any) -> Any:
    """Returns the images among inputs: of a dict those named `image`, of several inputs the first."""
    if isinstance(x, Mapping):
        return x.get("image")
    return x[0] if isinstance(x, (list, tuple)) and x and hasattr(x[0], "dtype") else x


def with_images(x: Any, images: Any) -> Any:
    """Returns inputs with other images; all other inputs become tensors too, since Keras takes no mixture."""
    if isinstance(x, Mapping):
        return {**{name: _to_tensor(value) for name, value in x.items()}, "image": images}
    return [images, *map(_to_tensor, x[1:])] if isinstance(x, (list, tuple)) else images


def _to_tensor(x: Any) -> Any:
    return ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x


def takes_floats(model: keras.Model) -> bool:
    """Whether a model's images are floats: one that was built on integers is given just these."""
    return keras.backend.is_float_dtype(image_input(model).dtype)


def check_images(model: keras.Model, x: Any, argument: str) -> None:
    """Refuses images of another type or shape than a model takes, before any work is done.

    Args:
        model: The model.
        x: Arrays, tensors or symbolic tensors, or a dict of them; anything else, such as a dataset, passes.
        argument: What the caller calls `x`.

    Raises:
        ValueError: If they are integers other than uint8, no numbers, or of another shape.

    Example:

    >>> import numpy as np
    >>> from tf_routing import zoo
    >>> check_images(zoo.get("basecnn", width_multiplier=0.25), np.zeros((2, 32, 32, 3), "uint8"), "x")
    """
    images = image_part(x)
    if not hasattr(images, "dtype") or not hasattr(images, "shape"):
        return
    expected, dtype, shape = image_input(model), _dtype_name(images), tuple(images.shape)
    known = dtype.startswith(("float", "bfloat")) or dtype == _BYTE if takes_floats(model) else dtype == expected.dtype
    if known and _fits(shape, tuple(expected.shape)):
        return
    raise ValueError(
        f"`{argument}` must hold images of shape {_in_words(expected.shape)}: {_accepted(model)}. "
        f"Received: shape {_in_words(shape)}, dtype {dtype}."
        f"{_hint(shape, tuple(expected.shape), of_a_list=isinstance(x, (list, tuple)))}"
        f"{'' if known or not takes_floats(model) else _hint_of_type(dtype)}"
    )


def load_images(model: keras.Model, images: Any) -> Any:
    """Returns the `images` of a function's arguments as arrays.

    Args:
        model: The model.
        images: What it was given: arrays, a dataset, batches.

    Raises:
        ValueError: If they are not what the model takes, or there are none.
    """
    x = to_arrays(images, rank=len(image_input(model).shape))
    check_images(model, x, "images")
    if not len(x):
        raise ValueError("`images` must hold at least one image. Received: none")
    return x


def _accepted(model: keras.Model) -> str:
    if takes_floats(model):
        taken = input_range(model)
        return f"floats in {range_in_words(taken)}, or {_BYTE}, which is {bytes_in_words(taken)}"
    return image_input(model).dtype


def _dtype_name(x: Any) -> str:
    # Not `keras.backend.standardize_dtype`: it knows no strings and no objects.
    return getattr(x.dtype, "name", None) or str(x.dtype)


def _fits(shape: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    # A last axis of one may be left out, or be there: Keras adds and drops it.
    if len(shape) == len(expected) - 1 and expected[-1] == 1:
        shape = (*shape, 1)
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        shape = shape[:-1]
    return len(shape) == len(expected) and all(
        None in (size, wanted) or size == wanted for size, wanted in zip(shape[1:], expected[1:], strict=True)
    )


def _in_words(shape: Any) -> str:
    names = ("batch", "height", "width", "channels")
    sizes = [names[axis] if size is None and axis < len(names) else str(size) for axis, size in enumerate(shape)]
    return f"({', '.join(sizes)})"


def _hint(shape: tuple[Any, ...], expected: tuple[Any, ...], of_a_list: bool) -> str:
    if _fits(shape, expected):
        return ""
    if _fits((None, *shape), expected):
        if of_a_list:
            return " A list of images is one array: np.stack(x)."
        return " A single image needs a batch axis: x[None]."
    if len(shape) == len(expected) == 4 and _fits((shape[0], *shape[2:], shape[1]), expected):
        return " These are channels first: np.transpose(x, (0, 2, 3, 1))."
    if len(shape) == len(expected) == 4 and shape[-1] == 1 and _fits((*shape[:3], expected[-1]), expected):
        return f" Grey images become coloured ones by np.repeat(x, {expected[-1]}, axis=-1)."
    if len(shape) == len(expected) == 4 and shape[-1] == expected[-1] and None not in shape[1:]:
        advice = f"keras.ops.image.resize(x, {tuple(expected[1:3])})"
        return f" Resize them, {advice}, or build a network of their size: input_shape={shape[1:]}."
    return ""


def _hint_of_type(dtype: str) -> str:
    if dtype.startswith(("int", "uint")):
        return f" Integers from 0 to {LARGEST_BYTE} are bytes: x.astype('{_BYTE}')."
    return ""


def scale_bytes(model: keras.Model, images: Any) -> Any:
    """Returns images as the network computes with them: bytes become floats in its range, all others stay."""
    if not takes_floats(model) or _dtype_name(images) != _BYTE:
        return images
    return scale_to(ops.cast(images, image_input(model).dtype), input_range(model), LARGEST_BYTE)


def run_on_images(model: keras.Model, run: Callable[[Any], Any], x: Any, training: bool | None) -> Any:
    """Runs a forward pass on what a model was given.

    Bytes are scaled. An image that holds NaN or infinity is replaced by zeros, and every output for it is NaN: inside,
    fused operations may drop NaN, and decisions by comparison always do. No images give no rows, without a run on none.

    Args:
        model: The model, or a part of it with the same inputs.
        run: Its forward pass.
        x: Images `(batch, height, width, channels)`, or a dict with more.
        training: Boolean.

    Returns:
        What `run` returns.

    Raises:
        ValueError: If these are no images of the model, or none to train on.
    """
    check_images(model, x, "inputs")
    images = image_part(x)
    if not hasattr(images, "shape"):
        # Another structure than the graph's, which Keras names.
        return run(x)
    if images.shape[0] == 0:
        return _run_on_none(run, x, training)
    if not takes_floats(model) or _dtype_name(images) == _BYTE:
        return run(with_images(x, scale_bytes(model, images)))
    finite = _find_finite(images)
    outputs = run(with_images(x, ops.where(_as_rank(finite, images), images, ops.zeros_like(images))))
    return keras.tree.map_structure(lambda output: _mark_broken(output, finite), outputs)


def _run_on_none(run: Callable[[Any], Any], x: Any, training: bool | None) -> Any:
    if training:
        raise ValueError("`inputs` must hold at least one image in training. Received: none")
    # One image of zeros stands in, since no convolution may run on none: TensorFlow's give wrong shapes then.
    one = keras.tree.map_structure(lambda part: ops.zeros((1, *part.shape[1:]), "float32"), x)
    return keras.tree.map_structure(lambda output: output[:0], run(one))


def _find_finite(images: Any) -> Any:
    # As `core.pixel_values.find_broken_image` does for arrays; here in a graph that is exported, where it is compared:
    # converters know comparisons and not `isfinite`. NaN is smaller than nothing.
    return ops.all(ops.abs(images) < math.inf, axis=tuple(range(1, len(images.shape))))


def _as_rank(finite: Any, tensor: Any) -> Any:
    return ops.reshape(finite, (-1, *(1,) * (len(tensor.shape) - 1)))


def _mark_broken(output: Any, finite: Any) -> Any:
    return ops.where(_as_rank(finite, output), output, ops.cast(math.nan, output.dtype))
