"""Shows the first batch of what a loop of Keras reads, without reading anything twice."""

from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import Any

import keras

from tf_routing.models.inputs.images import image_part


def watch_first(x: Any, show: Callable[[Any], None]) -> Any:
    """Returns batches whose first images are shown when they are read.

    Not taken out of it before: reading a dataset once more would move its shuffling on, and end what can be read once.

    Args:
        x: What a loop is given. Generators, and on TensorFlow datasets for one device, are watched; all else stays.
        show: Is called with the first images. For a dataset it is called in another thread.
    """
    if isinstance(x, GeneratorType):
        return _watch_generator(x, show)
    return _watch_dataset(x, show) if _can_be_watched(x) else x


def _watch_generator(batches: Iterator[Any], show: Callable[[Any], None]) -> Iterator[Any]:
    for number, batch in enumerate(batches):
        if not number:
            show(_images_of(batch))
        yield batch


def _images_of(batch: Any) -> Any:
    return image_part(keras.utils.unpack_x_y_sample_weight(batch)[0])


def _can_be_watched(x: Any) -> bool:
    if keras.backend.backend() != "tensorflow" or not hasattr(x, "element_spec"):
        return False
    import tensorflow as tf

    return isinstance(x, tf.data.Dataset) and isinstance(_images_of(x.element_spec), tf.TensorSpec)


def _watch_dataset(dataset: Any, show: Callable[[Any], None]) -> Any:
    import tensorflow as tf

    def seen(images: Any) -> bool:
        """Hands images over from within a graph, which needs a tensor back."""
        show(images)
        return True

    def look(done: Any, batch: Any) -> tuple[Any, Any]:
        """Returns that the first batch is done, and the batch as it came."""
        shown = tf.cond(done, lambda: True, lambda: tf.numpy_function(seen, [_images_of(batch)], tf.bool))
        return tf.ensure_shape(shown, ()), batch

    return dataset.scan(tf.constant(False), look)
