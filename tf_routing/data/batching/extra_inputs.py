"""Adds inputs besides the image to batches, such as the cost of computation that a network is conditioned on."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


def add_drawn_inputs(batches: Any, values: Mapping[str, Sequence[float]], seed: int, first_step: int = 0) -> Any:
    """Adds inputs that are drawn for each sample, evenly from some values.

    Args:
        batches: `tf.data.Dataset` of pairs of images and labels.
        values: What to draw from, by name of the input; with none the batches stay as they are.
        seed: Integer; with the step's number it decides what is drawn.
        first_step: Integer, steps done before the first batch.

    Returns:
        `tf.data.Dataset` of pairs of a dict and labels.

    Example:

    >>> pairs = tf.data.Dataset.from_tensors((tf.zeros((2, 8, 8, 3)), tf.zeros(2)))
    >>> next(iter(add_drawn_inputs(pairs, {"cost": [1e-9]}, seed=0)))[0]["cost"].numpy().tolist()
    [9.999999717180685e-10, 9.999999717180685e-10]
    """
    if not values:
        return batches

    def _draw(step: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
        images, labels = batch
        inputs = {"image": images}
        for number, (name, choices) in enumerate(values.items()):
            stream = tf.stack([tf.constant(seed, tf.int64) ^ (0xC057 + number), step])
            drawn = tf.random.stateless_uniform((tf.shape(images)[0],), stream, maxval=len(choices), dtype=tf.int32)
            inputs[name] = tf.gather(tf.constant(choices, tf.float32), drawn)
        return inputs, labels

    return batches.enumerate(first_step).map(_draw, num_parallel_calls=1, deterministic=True)


def add_constant_inputs(batches: Any, values: Mapping[str, float]) -> Any:
    """Adds inputs that are the same for all samples; with none the batches stay as they are."""
    if not values:
        return batches

    def _fill(images: Any, labels: Any) -> tuple[Any, Any]:
        constants = {name: tf.fill((tf.shape(images)[0],), value) for name, value in values.items()}
        return {"image": images, **constants}, labels

    return batches.map(_fill)
