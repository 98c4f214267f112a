"""How a batch passes through a gated model at inference. TensorFlow only."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_routing.execution.choice import CHUNK, batch_method
from tf_routing.execution.tracing import traced_once


def run_batch(run: Callable[[Any], Any], images: Any, blocks: list[Any], method: str) -> Any:
    """Runs a forward pass on a batch of any size, also of none.

    Args:
        run: The forward pass.
        images: Tensor `(batch, height, width, channels)`.
        blocks: The gated blocks of the model.
        method: One of `execution.BATCH_METHODS`.

    Returns:
        What `run` returns for the batch.
    """
    images = tf.convert_to_tensor(images)
    count = images.shape[0]
    if method == "auto":
        method = batch_method(blocks, count)
    if not count:
        return _never_empty(lambda x: _run(run, x, method), images)
    return _run(run, images, method)


def _run(run: Callable[[Any], Any], images: Any, method: str) -> Any:
    if method == "images":
        return _by_image(run, images)
    if method == "chunks" and (images.shape[0] is None or images.shape[0] > CHUNK):
        return _by_chunk(run, images)
    return run(images)


def _never_empty(run: Callable[[Any], Any], images: Any) -> Any:
    # A convolution of a batch of zero returns a wrong shape with oneDNN: one image of zeros stands in, and is cut off.
    count = tf.shape(images)[0]
    padded = tf.cond(count > 0, lambda: images, lambda: tf.zeros((1, *images.shape[1:]), images.dtype))
    padded = tf.ensure_shape(padded, (1 if images.shape[0] == 0 else None, *images.shape[1:]))
    return tf.nest.map_structure(lambda output: output[:count], run(padded))


def _by_image(run: Callable[[Any], Any], images: Any) -> Any:
    if images.shape[0] is None:
        raise ValueError("`batch_method='images'` needs a batch of known size, since it runs images side by side.")
    run = traced_once(run)
    # Unrolled: a function's independent parts run on as many threads as it is given, which a mapped loop's do not.
    outputs = [run(image) for image in tf.split(images, images.shape[0])]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)


def _by_chunk(run: Callable[[Any], Any], images: Any) -> Any:
    """A loop over slices of the batch, the last one possibly smaller."""
    run, count = traced_once(run), tf.shape(images)[0]
    first = run(images[:CHUNK])

    def body(start: Any, collected: Any) -> tuple[Any, Any]:
        """Runs one slice and puts its outputs behind those before it."""
        outputs = run(images[start : start + CHUNK])
        return start + CHUNK, tf.nest.map_structure(lambda *pair: tf.concat(pair, axis=0), collected, outputs)

    shapes = tf.nest.map_structure(lambda output: tf.TensorShape((None, *output.shape[1:])), first)
    _, collected = tf.while_loop(
        lambda start, _: start < count, body, (tf.constant(CHUNK), first), (tf.TensorShape(()), shapes)
    )
    return collected
