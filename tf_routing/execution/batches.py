"""How a batch passes through a gated model at inference. TensorFlow only."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

CHUNK = 8


def run_batch(run: Callable[[Any], Any], images: Any, method: str) -> Any:
    """Runs a forward pass on a batch of any size, also of none.

    Args:
        run: The forward pass.
        images: Tensor `(batch, height, width, channels)`.
        method: One of `execution.BATCH_METHODS`.

    Returns:
        What `run` returns for the batch.
    """
    images = tf.convert_to_tensor(images)
    if images.shape[0] is None or images.shape[0] == 0:
        return _never_empty(lambda x: _run(run, x, method), images)
    return _run(run, images, method)


def _run(run: Callable[[Any], Any], images: Any, method: str) -> Any:
    if method == "images" and images.shape[0] is not None:
        return _by_image(run, images)
    if method == "chunks" and (images.shape[0] is None or images.shape[0] > CHUNK):
        return _by_chunk(run, images)
    return run(images)


def _never_empty(run: Callable[[Any], Any], images: Any) -> Any:
    # A convolution of a batch of zero returns a wrong shape with oneDNN: one image of zeros stands in, and is cut off.
    count = tf.shape(images)[0]
    padded = tf.cond(count > 0, lambda: images, lambda: tf.zeros((1, *images.shape[1:]), images.dtype))
    padded = tf.ensure_shape(padded, (None, *images.shape[1:]))
    return tf.nest.map_structure(lambda output: output[:count], run(padded))


def _by_image(run: Callable[[Any], Any], images: Any) -> Any:
    # Unrolled: a function's independent parts run on as many threads as it is given, which a mapped loop's do not.
    outputs = [run(image) for image in tf.split(images, images.shape[0])]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)


def _by_chunk(run: Callable[[Any], Any], images: Any) -> Any:
    count = tf.shape(images)[0]
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), tf.function(run).get_concrete_function(
        tf.TensorSpec((None, *images.shape[1:]), images.dtype)).structured_outputs)
    arrays = tf.nest.map_structure(
        lambda spec: tf.TensorArray(spec.dtype, 0, True, infer_shape=False, element_shape=(None, *spec.shape[1:])), specs
    )

    def body(number: Any, collected: Any) -> Any:
        """Runs one chunk."""
        outputs = run(images[number * CHUNK : (number + 1) * CHUNK])
        return number + 1, tf.nest.map_structure(lambda a, o: a.write(number, o), collected, outputs)

    chunks = -(-count // CHUNK)
    _, arrays = tf.while_loop(lambda number, _: number < chunks, body, (0, arrays))
    return tf.nest.map_structure(lambda array: array.concat(), arrays)
