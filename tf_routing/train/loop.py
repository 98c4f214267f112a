"""The training loop on TensorFlow: one device, several, or several hosts.

Keras's own `fit` fails on several hosts, and goes on at an epoch's start only. This loop takes the same steps, calls
the same callbacks and logs the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_routing.core.private_apis import build_from_batch
from tf_routing.models.training.end_of_epoch import with_end_of_epoch
from tf_routing.objectives.label_assertions import translate_errors
from tf_routing.train.stopping import StoppedAfterStep

_Step = Callable[[Any, bool], tuple[dict[str, float], bool]]


def train(
    model: Any,
    batches: Any,
    *,
    strategy: Any = None,
    epochs: int,
    steps_per_epoch: int,
    first_epoch: int = 0,
    first_step: int = 0,
    validate: Callable[[], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
    stop_wished: Callable[[], bool] | None = None,
) -> keras.callbacks.History:
    """Trains a compiled model as `keras.Model.fit` does, under any `tf.distribute` strategy.

    Args:
        model: The model, built and compiled under the strategy's scope.
        batches: What the strategy's replicas take their batches from, those of all epochs in a row: a distributed
            dataset, or a `tf.data.Dataset` for one device.
        strategy: The `tf.distribute.Strategy`; `None` for the one in whose scope this is called.
        epochs: Integer, number of the last epoch.
        steps_per_epoch: Integer.
        first_epoch: Integer, epochs already done.
        first_step: Integer, steps of the first epoch already done; the running means then go on.
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
    >>> model = zoo.get("basecnn", width_multiplier=0.125)
    >>> model.compile("sgd")
    >>> digits = data.load("digits").train
    >>> batches = data.batches.training_batches(digits, batch_size=32, seed=0, epochs=1)
    >>> list(train(model, batches, epochs=1, steps_per_epoch=2).history)
    ['classification_loss', 'loss']
    """
    strategy = strategy or tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync > 1:
        build_metrics(model, strategy, strategy.experimental_local_results(next(iter(batches)))[0])
    every = keras.callbacks.CallbackList(
        with_end_of_epoch(list(callbacks), model),
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=steps_per_epoch,
        model=model,
    )
    take_step, iterator, logs = _step_function(model, strategy), iter(batches), None
    model.stop_training = False
    every.on_train_begin()
    for epoch in range(first_epoch, epochs):
        done = first_step if epoch == first_epoch else 0
        if not done:
            model.reset_metrics()
        every.on_epoch_begin(epoch)
        for step in range(done, steps_per_epoch):
            every.on_train_batch_begin(step)
            step_logs, stops = _taken(take_step, iterator, stop_wished, epoch * steps_per_epoch + step)
            every.on_train_batch_end(step, step_logs)
            if stops:
                raise StoppedAfterStep(epoch, epoch * steps_per_epoch + step + 1)
            if model.stop_training:
                break
        logs = _epoch_logs(model, validate)
        every.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    # Optimizers that average weights set all that they trained.
    objective = getattr(model, "objective_variables", [])
    model.optimizer.finalize_variable_values([*model.trainable_weights, *objective])
    every.on_train_end(logs)
    return model.history


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

    def on_replica(batch: Any, wish: Any) -> Any:
        """The step of one replica."""
        logs = model.train_step(batch)
        names[:] = logs
        return tf.stack([*(tf.cast(value, tf.float32) for value in logs.values()), wish])

    def on_all(batch: Any, wish: Any) -> Any:
        """The step of all replicas."""
        values = strategy.run(on_replica, args=(batch, wish))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, values, axis=None)

    if not model.run_eagerly:
        # As in Keras: a function of its own for what XLA may compile, and batches fetched outside of it.
        on_all = tf.function(on_all, autograph=False, reduce_retracing=True, jit_compile=model.jit_compile)

    def with_next(iterator: Any, wish: Any) -> Any:
        """The step of all replicas with their next batches."""
        return on_all(iterator.get_next(), wish)

    if not model.run_eagerly:
        with_next = tf.function(with_next, autograph=False, reduce_retracing=True)
    wishes = tf.constant(0.0), tf.constant(1.0)

    def take_step(iterator: Any, wish: bool) -> tuple[dict[str, float], bool]:
        """Takes the step and reads what it says."""
        *values, wished = with_next(iterator, wishes[wish]).numpy().tolist()
        return dict(zip(names, values, strict=True)), wished > 0

    return take_step


def _taken(
    take_step: _Step, iterator: Any, stop_wished: Callable[[], bool] | None, done: int
) -> tuple[dict[str, float], bool]:
    try:
        with translate_errors():
            return take_step(iterator, stop_wished is not None and stop_wished())
    except tf.errors.OutOfRangeError as error:
        raise ValueError(f"`batches` must have those of all steps. Received: an end after step {done}") from error


def _epoch_logs(model: Any, validate: Callable[[], dict[str, float]] | None) -> dict[str, float]:
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    if validate is not None:
        logs |= {f"val_{name}": float(value) for name, value in validate().items()}
    return logs
