"""Lets batch normalisation of maps train as one operation of TensorFlow, instead of the many that Keras makes of it."""

import functools
from typing import Any

import keras

from tf_routing.core.private_apis import all_layers


def fuse_normalizations(model: keras.Model) -> None:
    """Makes a model's batch normalisation train in one operation; results differ in their last bits alone.

    Keras takes the mean and the variance of a batch and normalises with them in operations of their own. Each reads
    maps and writes others, which on CPUs takes as long as a convolution. Only these objects change, and only how they
    train: files, copies made by `from_config` and inference are those of Keras. Layers that have no gamma or beta,
    synchronise replicas, or compute in another type than float32 stay as they are, and so do all on other backends
    than TensorFlow.

    Args:
        model: The model, built.

    Example:

    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn", width_multiplier=0.125)
    >>> fuse_normalizations(model)
    >>> model(keras.ops.ones((2, 32, 32, 3)), training=True).shape
    TensorShape([2, 10])
    """
    if keras.backend.backend() != "tensorflow":
        return
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and _can_fuse(layer):
            layer.call = functools.partial(_normalize, layer)


def _can_fuse(layer: keras.layers.BatchNormalization) -> bool:
    return (
        layer.scale
        and layer.center
        and layer.axis in (-1, 3)
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and not (layer.synchronized or layer.renorm)
    )


def _normalize(layer: keras.layers.BatchNormalization, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    if not (training and layer.trainable and mask is None and len(inputs.shape) == 4):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    import tensorflow as tf

    # Not `tf.compat.v1.nn.fused_batch_norm`, which raises epsilon a little.
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=layer.gamma, offset=layer.beta, mean=[], variance=[], epsilon=layer.epsilon, is_training=True
    )
    # TensorFlow estimates the variance of all images there may be, Keras takes that of the batch.
    count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
    variance *= (count - 1) / count
    for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + batch * (1 - layer.momentum))
    return outputs
