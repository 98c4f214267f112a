"""A small SavedModel for the tests of serving."""

from pathlib import Path

import tensorflow as tf


def write_tiny(path: Path, value: float = 1.0) -> None:
    """Writes a SavedModel of a few operations: it adds a number to images, and decodes pictures."""

    class Tiny(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = tf.Variable(float(value))

        @tf.function
        def add(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"sums": tf.reduce_sum(images, (1, 2, 3)) + self.value}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="images")])
        def decode(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            pictures = tf.map_fn(lambda each: tf.io.decode_png(each, 3), images, fn_output_signature=tf.uint8)
            light = tf.reduce_mean(tf.cast(pictures, tf.float32), (1, 2, 3))
            return {"light": light, "value": tf.ones_like(light) * self.value}

    tiny = Tiny()
    # The narrower one first: it would be answered by a wider trace that is there.
    one, many = (tiny.add.get_concrete_function(tf.TensorSpec((n, 2, 2, 3), name="images")) for n in (1, None))
    signatures = {"serving_default": many, "serve_one": one, "serve_encoded": tiny.decode}
    tf.saved_model.save(tiny, str(path), signatures)
