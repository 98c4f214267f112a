"""The training loop on TensorFlow, for one device, several, or several hosts, that can go on within an epoch.

Keras's `fit` fails on several hosts, and goes on at an epoch's start only. This loop takes the same steps, calls the
same callbacks and logs the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_routing.core.private_apis import build_from_batch
from tf_routing.objectives.label_assertions import translate_errors
from tf_routing.train.epochs import EpochRange, list_callbacks, run_epochs
from tf_routing.train.stop_signals import StoppedAfterStep

_Step = Callable[[Any, bool], tuple[dict[str, float], bool]]


def train(
    model: Any,
    batches: Any,
    span: EpochRange,
    *,
    validate: Callable[[], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
    stop_wished: Callable[[], bool] | None = None,
) -> keras.callbacks.History:
    """Trains a compiled model as `keras.Model.fit` does, under any `tf.distribute` strategy.

    Args:
        model: The model, built and compiled under the strategy's scope.
        batches: What replicas take their batches from, those of all epochs in a row: a dataset distributed by the
            model's strategy, or a `tf.data.Dataset` for one device.
        span: The epochs and steps to take.
        validate: Returns what to log of a validation, without the `val_` that the logs put before it.
        callbacks: Keras callbacks.
        verbose: Integer, 0 for silence, 1 for a bar, 2 for a line per epoch.
        stop_wished: Returns whether to stop after a step. Where one of several hosts wishes, all stop.

    Returns:
        A `History`, as `fit` does.

    Raises:
        StoppedAfterStep: If there was such a wish.
        ValueError: If there are too few batches, or a label fits no class.

    Example:

    >>> from tf_routing import data, zoo
    >>> from tf_routing.data.batching.batches import BatchPlan, training_batches
    >>> from tf_routing.train.epochs import EpochRange
    >>> model = zoo.get("basecnn", width_multiplier=0.125)
    >>> model.compile("sgd")
    >>> digits = data.load("digits").train
    >>> batches = training_batches(digits, BatchPlan(batch_size=32, seed=0, epochs=1))
    >>> list(train(model, batches, EpochRange(epochs=1, steps_per_epoch=2)).history)
    ['classification_loss', 'loss']
    """
    strategy = model.distribute_strategy
    if strategy.num_replicas_in_sync > 1:
        build_metrics(model, strategy, strategy.experimental_local_results(next(iter(batches)))[0])
    called = list_callbacks(model, callbacks, span, verbose)
    take_step, iterator = _step_function(model, strategy), iter(batches)

    def run_steps(epoch: int, done: int) -> None:
        """Takes the steps of an epoch one by one."""
        before = epoch * span.steps_per_epoch
        for step in range(done, span.steps_per_epoch):
            called.on_train_batch_begin(step)
            logs, stops = _take_or_explain(take_step, iterator, stop_wished, before + step)
            called.on_train_batch_end(step, logs)
            if stops:
                raise StoppedAfterStep(epoch, before + step + 1)
            if model.stop_training:
                break

    return run_epochs(model, span, called, validate, run_steps)


def build_metrics(model: Any, strategy: Any, batch: Any) -> None:
    """Creates the metrics of a compiled model, which Keras leaves to the first step, and the optimizer's variables.

    Args:
        model: The compiled model.
        strategy: Its strategy.
        batch: A batch of one replica, or a structure of anything that has its shapes and types.
    """
    with strategy.scope():
        build_from_batch(model, batch)


def _step_function(model: Any, strategy: Any) -> _Step:
    """Returns what takes one step on all replicas: from an iterator and a wish to the means so far and the wish of all.

    Everything that a host reads comes in one tensor: reading waits for the device.
    """
    names: list[str] = []

    def _step_on_replica(batch: Any, wish: Any) -> Any:
        logs = model.train_step(batch)
        names[:] = logs
        return tf.stack([*(tf.cast(value, tf.float32) for value in logs.values()), wish])

    def _step(batch: Any, wish: Any) -> Any:
        values = strategy.run(_step_on_replica, args=(batch, wish))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    if not model.run_eagerly:
        # As in Keras: another function for what XLA may compile, and batches fetched outside of it.
        _step = tf.function(_step, autograph=False, reduce_retracing=True, jit_compile=model.jit_compile)

    def _fetch_and_step(iterator: Any, wish: Any) -> Any:
        return _step(iterator.get_next(), wish)

    if not model.run_eagerly:
        _fetch_and_step = tf.function(_fetch_and_step, autograph=False, reduce_retracing=True)
    wishes = tf.constant(0.0), tf.constant(1.0)

    def _take_step(iterator: Any, wish: bool) -> tuple[dict[str, float], bool]:
        *values, wished = _fetch_and_step(iterator, wishes[wish]).numpy().tolist()
        return dict(zip(names, values, strict=True)), wished > 0

    return _take_step


def _take_or_explain(
    take_step: _Step, iterator: Any, stop_wished: Callable[[], bool] | None, done: int
) -> tuple[dict[str, float], bool]:
    try:
        with translate_errors():
            return take_step(iterator, stop_wished is not None and stop_wished())
    except tf.errors.OutOfRangeError as error:
        raise ValueError(f"`batches` must have those of all steps. Received: an end after step {done}") from error
