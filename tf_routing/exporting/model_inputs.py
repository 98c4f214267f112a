"""The inputs of a model as named tensor specifications of its export. TensorFlow only."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_routing.core.pixel_values import LARGEST_BYTE, scale_to
from tf_routing.execution import gated_blocks
from tf_routing.execution.batches import run_batch
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input, other_inputs
from tf_routing.models.inputs.images import image_part, with_images
from tf_routing.models.inputs.input_range import input_range
from tf_routing.models.model_arguments import require_routed_model


def exported_model(model: Any) -> RoutedModel:
    """Returns a model that can be exported, else raises a `ValueError` that says what to do.

    Args:
        model: What a function was given.
    """
    checked = require_routed_model(model)
    shape = image_input(checked).shape[1:]
    if None in shape:
        raise ValueError(
            f"`model` must take images of one size: build it with a fixed `input_shape`. Received: {checked.name!r}, "
            f"which takes {shape}"
        )
    return checked


class ModelInputs:
    """Images and auxiliary inputs, such as the price of computation.

    Args:
        model: A `RoutedModel`.
    """

    def __init__(self, model: Any) -> None:
        self.image_shape: tuple[int, int, int] = tuple(image_input(model).shape[1:])
        self.auxiliary = other_inputs(model)
        self._is_gated = bool(gated_blocks(model))
        self.range = input_range(model)

    def specs(self, dtype: Any = tf.float32, shape: Any = None, count: int | None = None) -> list[tf.TensorSpec]:
        """Returns what a signature takes: the images first, then the auxiliary inputs by name.

        Args:
            dtype: Type of the images.
            shape: Shape of one, the model's where not given.
            count: Integer, images in a batch; any number where not given.
        """
        images = tf.TensorSpec((count, *(self.image_shape if shape is None else shape)), dtype, name="images")
        return [images, *(tf.TensorSpec((count,), tf.float32, name=name) for name in self.auxiliary)]

    def call_spec(self, dtype: Any = tf.float32) -> Any:
        """Returns what the model itself takes: images, or a dict of them and auxiliary inputs."""
        images, *values = self.specs(dtype)
        return self.join(images, *values)

    def as_floats(self, x: Any) -> Any:
        """Returns what the model itself takes with images as floats in its range."""
        images = image_part(x)
        return with_images(x, self.scale_bytes(images)) if images.dtype == tf.uint8 else x

    def scale_bytes(self, images: Any) -> Any:
        """Returns images of bytes as floats in the model's range."""
        return scale_to(tf.cast(images, tf.float32), self.range, LARGEST_BYTE)

    def scale_decoded(self, images: Any) -> Any:
        """Returns decoded pictures, floats in [0, 1], in the model's range."""
        return scale_to(images, self.range, 1)

    def join(self, images: Any, *values: Any) -> Any:
        """Returns the inputs of a signature as the model takes them."""
        return {"image": images, **dict(zip(self.auxiliary, values, strict=True))} if self.auxiliary else images

    def split(self, x: Any) -> list[tf.Tensor]:
        """Returns what the model takes as the inputs of a signature."""
        values = [tf.reshape(tf.cast(x[name], tf.float32), (-1,)) for name in self.auxiliary]
        return [tf.cast(image_part(x), tf.float32), *values]

    def never_empty(self, run: Callable[[Any], Any], x: Any) -> Any:
        """Runs the model on a batch that may hold no image: no convolution may see that.

        Networks that skip see to it themselves.
        """
        return run(x) if self._is_gated else run_batch(run, x, "whole")
