"""What the training loops of all backends share: which epochs they take, and all around the steps of one."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_routing.models.training.end_of_epoch import with_end_of_epoch


@dataclasses.dataclass(frozen=True)
class EpochRange:
    """Which epochs and steps a call of `train` takes.

    Args:
        epochs: Integer, number of the last epoch.
        steps_per_epoch: Integer.
        first_epoch: Integer, epochs already done.
        first_step: Integer, steps of the first epoch already done; the running means then go on.
    """

    epochs: int
    steps_per_epoch: int
    first_epoch: int = 0
    first_step: int = 0

    def steps_done(self, epoch: int) -> int:
        """Returns the steps of an epoch that are already done."""
        return self.first_step if epoch == self.first_epoch else 0


def list_callbacks(
    model: Any, callbacks: Sequence[keras.callbacks.Callback], span: EpochRange, verbose: int
) -> keras.callbacks.CallbackList:
    """Returns callbacks as `fit` calls them, with its history and progress bar, and what adapts the objective."""
    return keras.callbacks.CallbackList(
        with_end_of_epoch(list(callbacks), model),
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=span.epochs,
        steps=span.steps_per_epoch,
        model=model,
    )


def run_epochs(
    model: Any,
    span: EpochRange,
    called: keras.callbacks.CallbackList,
    validate: Callable[[], dict[str, float]] | None,
    run_steps: Callable[[int, int], None],
) -> keras.callbacks.History:
    """Runs epochs until the last one, or until a callback stops the training.

    Args:
        model: The compiled model.
        span: The epochs and steps to take.
        called: What `list_callbacks` returned.
        validate: Returns what to log of a validation, without the `val_` that the logs put before it.
        run_steps: Takes the steps of an epoch, given its number and how many of its steps are already done.

    Returns:
        A `History`, as `fit` does.
    """
    logs = None
    model.stop_training = False
    called.on_train_begin()
    for epoch in range(span.first_epoch, span.epochs):
        done = span.steps_done(epoch)
        if not done:
            model.reset_metrics()
        called.on_epoch_begin(epoch)
        run_steps(epoch, done)
        logs = _epoch_logs(model, validate)
        called.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    _finalize(model)
    called.on_train_end(logs)
    return model.history


def _epoch_logs(model: Any, validate: Callable[[], dict[str, float]] | None) -> dict[str, float]:
    """Returns the means of an epoch that is through, and those of a validation, which is done now."""
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    if validate is not None:
        logs |= {f"val_{name}": float(value) for name, value in validate().items()}
    return logs


def _finalize(model: Any) -> None:
    """Sets the weights to what an optimizer that averages them arrived at, those of the objective too."""
    objective = getattr(model, "objective_variables", [])
    model.optimizer.finalize_variable_values([*model.trainable_weights, *objective])
