"""Runs a batch at inference at once, in chunks or image by image, and a batch without images too. TensorFlow only."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_routing.execution.choice import CHUNK
from tf_routing.execution.tracing import trace_once


def run_batch(run: Callable[[Any], Any], inputs: Any, method: str) -> Any:
    """Runs a forward pass on a batch of any size, also of none.

    Args:
        run: The forward pass.
        inputs: Tensor, or structure of tensors, whose first axis counts the samples.
        method: One of `settings.BATCH_METHODS` that is not `"auto"`.

    Returns:
        What `run` returns for the batch.
    """
    inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
    if not count_statically(inputs):
        return _run_never_empty(lambda x: _run(run, x, method), inputs)
    return _run(run, inputs, method)


def count_statically(inputs: Any) -> int | None:
    """Returns the number of samples in a structure of arrays or tensors, `None` where only a running graph knows it."""
    return tf.nest.flatten(inputs)[0].shape[0]


def _count(inputs: Any) -> Any:
    return tf.shape(tf.nest.flatten(inputs)[0])[0]


def _slice(inputs: Any, start: Any, stop: Any) -> Any:
    return tf.nest.map_structure(lambda tensor: tensor[start:stop], inputs)


def _run(run: Callable[[Any], Any], inputs: Any, method: str) -> Any:
    count = count_statically(inputs)
    if method == "images":
        return _run_images(run, inputs)
    if method == "chunks" and (count is None or count > CHUNK):
        return _run_chunks(run, inputs)
    return run(inputs)


def _run_never_empty(run: Callable[[Any], Any], inputs: Any) -> Any:
    # A convolution of a batch of zero returns a wrong shape with oneDNN: one sample of zeros stands in, and is cut off.
    count = _count(inputs)

    def pad(tensor: Any) -> Any:
        """Returns the tensor, or one row of zeros where it has none."""
        rows = tf.cond(count > 0, lambda: tensor, lambda: tf.zeros((1, *tensor.shape[1:]), tensor.dtype))
        # Tells the shape, as `tf.ensure_shape` would; TensorFlow Lite knows this operation and not that one.
        return tf.reshape(rows, (1 if tensor.shape[0] == 0 else -1, *tensor.shape[1:]))

    return _slice(run(tf.nest.map_structure(pad, inputs)), 0, count)


def _run_images(run: Callable[[Any], Any], inputs: Any) -> Any:
    count = count_statically(inputs)
    if count is None:
        raise ValueError("`batch_method='images'` needs a batch of known size, since it runs images side by side.")
    run = trace_once(run)
    # Unrolled: independent parts of a function run side by side, which the steps of a mapped loop do not.
    outputs = [run(_slice(inputs, number, number + 1)) for number in range(count)]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *outputs)


def _run_chunks(run: Callable[[Any], Any], inputs: Any) -> Any:
    count = _count(inputs)
    if tf.executing_eagerly():
        slices = [run(_slice(inputs, start, start + CHUNK)) for start in range(0, int(count), CHUNK)]
        return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *slices)
    # A loop over slices of the batch, the last one possibly smaller. What it returns is known beforehand from the trace
    # of the function that it calls: a first slice before the loop would put the whole network into the graph twice.
    specs = tf.nest.map_structure(lambda each: tf.TensorSpec((None, *each.shape[1:]), each.dtype), inputs)
    traced = tf.function(run, autograph=False).get_concrete_function(specs)
    none = tf.nest.map_structure(lambda each: tf.zeros((0, *each.shape[1:]), each.dtype), traced.structured_outputs)
    shapes = tf.nest.map_structure(lambda each: tf.TensorShape((None, *each.shape[1:])), none)

    def body(start: Any, collected: Any) -> tuple[Any, Any]:
        """Runs one slice and puts its outputs behind those before it."""
        outputs = traced(_slice(inputs, start, start + CHUNK))
        return start + CHUNK, tf.nest.map_structure(lambda *pair: tf.concat(pair, axis=0), collected, outputs)

    return tf.while_loop(lambda start, _: start < count, body, (tf.constant(0), none), (tf.TensorShape(()), shapes))[1]
