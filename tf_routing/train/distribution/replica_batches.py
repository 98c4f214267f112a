"""Divides batches over replicas: each gets its rows of the batch that one device would see."""

from typing import Any

import tensorflow as tf

from tf_routing.support.validation import positive_integer


def distribute(batches: Any, strategy: Any, batch_size: int, copies: int = 1) -> Any:
    """Returns batches of which every replica gets its part, in order.

    Of R replicas, on one host or several, the one numbered r gets rows `r B / R` to `(r + 1) B / R` of each batch.
    Every host reads all batches and takes the rows of its replicas, so that what a batch holds, its augmentation
    included, does not depend on how many there are.

    Args:
        batches: `tf.data.Dataset` of whole batches, of images or a dict, with labels.
        strategy: A `tf.distribute.Strategy`.
        batch_size: Integer B, rows of each batch.
        copies: Integer, neighbouring rows that show one image and stay together.

    Returns:
        What `strategy.run` takes its arguments from: the dataset itself for one replica, else a distributed one.

    Raises:
        ValueError: If the rows cannot be divided evenly.

    Example:

    >>> batches = tf.data.Dataset.range(8).batch(4)
    >>> next(iter(distribute(batches, tf.distribute.get_strategy(), batch_size=4))).numpy().tolist()
    [0, 1, 2, 3]
    """
    check_divides(strategy, batch_size, copies)
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches
    return strategy.distribute_datasets_from_function(
        lambda context: _rows_of_host(batches, batch_size // replicas, context)
    )


def check_divides(strategy: Any, batch_size: int, copies: int = 1) -> None:
    """Checks that the replicas of a strategy can share a batch evenly, each with all copies of its images.

    Raises:
        ValueError: If they cannot.
    """
    replicas = strategy.num_replicas_in_sync
    smallest = replicas * positive_integer("copies", copies)
    if positive_integer("batch_size", batch_size) % smallest:
        of_copies = f" of {copies} copies each" if copies > 1 else ""
        raise ValueError(
            f"`batch_size` must be a multiple of {smallest}, for {replicas} replicas{of_copies}. "
            f"Received: batch_size={batch_size}"
        )


def _rows_of_host(batches: Any, rows: int, context: Any) -> Any:
    """Returns the batches of the replicas of one host, one after the other, as TensorFlow deals them out."""
    replicas = context.num_replicas_in_sync
    here = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * here * rows

    def _divide(*batch: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(_take_rows, batch if len(batch) > 1 else batch[0])
        )

    def _take_rows(tensor: Any) -> Any:
        whole = tf.ensure_shape(tensor, (replicas * rows, *tensor.shape[1:]))
        return tf.reshape(whole[first : first + here * rows], (here, rows, *tensor.shape[1:]))

    return batches.flat_map(_divide).prefetch(2 * here).with_options(_options())


def _options() -> Any:
    options = tf.data.Options()
    # Deleting an iterator that is being tuned stalls for seconds.
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
