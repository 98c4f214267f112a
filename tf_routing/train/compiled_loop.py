"""The training loop on JAX: one call runs many steps on the device, on images that lie in its memory.

Keras's own `steps_per_execution` does not help there: its training function calls the compiled step that many times
from Python, and every batch is made and sent by the host.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import keras

from tf_routing.core.private_apis import build_from_batch
from tf_routing.data.batching.device_batches import DeviceBatches, DeviceTestSet
from tf_routing.train.epochs import EpochRange, list_callbacks, run_epochs
from tf_routing.train.stop_signals import StoppedAfterStep


def train(
    model: Any,
    batches: DeviceBatches,
    span: EpochRange,
    *,
    steps_per_execution: int,
    checkpoint_every: int = 0,
    validate: Callable[[], dict[str, float]] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
    stop_wished: Callable[[], bool] | None = None,
) -> keras.callbacks.History:
    """Trains a compiled `RoutedModel` as `fit` does; callbacks and Python come in once in many steps.

    What steps compute does not depend on how many of those that it was compiled for a call takes.

    Args:
        model: The model.
        batches: What steps make their batches of.
        span: The epochs and steps to take.
        steps_per_execution: Integer, steps of a call at most.
        checkpoint_every: Integer; no call goes beyond a step that is a multiple of it, so that callbacks see each. 0
            for none.
        validate: Returns what to log of a validation, without the `val_` that the logs put before it.
        callbacks: Keras callbacks; after a call they are told of its last step.
        verbose: Integer, 0 for silence, 1 for a bar, 2 for a line per epoch.
        stop_wished: Returns whether to stop after a call.

    Returns:
        A `History`, as `fit` does.

    Raises:
        StoppedAfterStep: If there was such a wish.
    """
    called = list_callbacks(model, callbacks, span, verbose)
    with model.running_steps():
        steps = _CompiledSteps(model, batches, steps_per_execution)

        def run_steps(epoch: int, done: int) -> None:
            """Takes the steps of an epoch, many in one call."""
            before = epoch * span.steps_per_epoch
            ends = list(_ends(before + done, before + span.steps_per_epoch, steps_per_execution, checkpoint_every))
            for first, end, following in zip([before + done, *ends], ends, [*ends[1:], None], strict=False):
                called.on_train_batch_begin(first - before)
                logs = steps.take(first, end)
                # While the device computes: callbacks wait for it.
                if following is not None:
                    steps.draw(end, following)
                called.on_train_batch_end(end - 1 - before, logs)
                if stop_wished is not None and stop_wished():
                    raise StoppedAfterStep(epoch, end)
                if model.stop_training:
                    break

        return run_epochs(model, span, called, validate, run_steps)


def _ends(first: int, last: int, size: int, every: int) -> Iterator[int]:
    """Yields the steps at which calls end: after `size` steps at most, and at each multiple of `every`."""
    while first < last:
        first = min(first + size, last, first - first % every + every if every else last)
        yield first


class _CompiledSteps:
    """Training steps of a model, many in one call."""

    def __init__(self, model: Any, batches: DeviceBatches, size: int) -> None:
        self.model, self.batches, self.size = model, batches, size
        build_metrics(model, batches)
        # XLA runs gradients of convolutions in loops many times slower on CPUs:
        # findings/xla_cpu_convolution_in_a_loop.sh.
        self.function = jax.jit(self._take if size > 1 else self._take_one, donate_argnums=0)
        self._drawn: tuple[Any, Any] = None, None

    def draw(self, first: int, end: int) -> Any:
        """Returns what steps hold; what was drawn last is kept."""
        if self._drawn[0] != (first, end):
            self._drawn = (first, end), self.batches.draw(first, end - first, self.size)
        return self._drawn[1]

    def take(self, first: int, end: int) -> dict[str, Any]:
        """Takes the steps from one to another, counted over all epochs, and returns the means so far."""
        groups = _variables(self.model)
        state = tuple([variable.value for variable in group] for group in groups)
        state, logs = self.function(state, self.batches.held, self.draw(first, end), end - first)
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return logs

    def _take(self, state: Any, held: Any, drawn: Any, count: Any) -> tuple[Any, dict[str, Any]]:
        def step(number: Any, state: Any) -> Any:
            """Takes one step."""
            return self._step(state, held, {name: values[number] for name, values in drawn.items()})

        # A count that is known only when it runs: the end of an epoch needs no compiling of its own.
        state = jax.lax.fori_loop(0, count, step, _as_lists(state))
        return state, _results(self.model, state[-1])

    def _take_one(self, state: Any, held: Any, drawn: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        state = self._step(state, held, {name: values[0] for name, values in drawn.items()})
        return state, _results(self.model, state[-1])

    def _step(self, state: Any, held: Any, drawn: Any) -> Any:
        return _as_lists(self.model.train_step(state, self.batches.make(held, drawn))[1])


class CompiledEvaluation:
    """Measures a model on a whole test set in one call, as `evaluate` does.

    Args:
        model: The compiled model.
        test_set: The images.
    """

    def __init__(self, model: Any, test_set: DeviceTestSet) -> None:
        self.model, self.test_set = model, test_set
        self.function = jax.jit(self._measure)

    def __call__(self) -> dict[str, float]:
        """Returns the loss, its terms and the metrics."""
        with self.model.running_steps():
            self.model.reset_metrics()
            trained, others, _, metrics = _variables(self.model)
            state = tuple([variable.value for variable in group] for group in (trained, others, metrics))
            results, values = self.function(state, self.test_set.held)
            # What a generator of random numbers has drawn.
            for variable, value in zip(others, values, strict=True):
                variable.assign(value)
        return {name: float(value) for name, value in results.items()}

    def _measure(self, state: Any, held: Any) -> tuple[dict[str, Any], Any]:
        size, full = self.test_set.batch_size, self.test_set.full

        def step(first: Any, rows: int, state: Any) -> Any:
            """Measures one batch."""
            return _as_lists(self.model.test_step(state, self.test_set.make(held, first, rows))[1])

        state = _as_lists(state)
        if full:
            state = jax.lax.fori_loop(0, full, lambda number, state: step(number * size, size, state), state)
        if self.test_set.rest:
            state = step(full * size, self.test_set.rest, state)
        return _results(self.model, state[-1]), state[1]


def build_metrics(model: Any, batches: DeviceBatches) -> None:
    """Creates the metrics of a compiled model, which Keras leaves to the first step, and the optimizer's variables."""
    with model.running_steps():
        row = {name: values[0] for name, values in batches.draw(0, 1, 1).items()}
        build_from_batch(model, jax.eval_shape(batches.make, batches.held, row))


def _variables(model: Any) -> tuple[list[Any], ...]:
    """Returns what steps change, in the order of Keras: trained, others, the optimizer's, metrics."""
    groups = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
    return *groups, model.metrics_variables


def _as_lists(state: Any) -> tuple[list[Any], ...]:
    # A loop takes and returns the same structure.
    return tuple(map(list, state))


def _results(model: Any, values: Any) -> dict[str, Any]:
    """Returns what metrics with these values of their variables say."""
    pairs = list(zip(model.metrics_variables, values, strict=True))
    with keras.StatelessScope(state_mapping=pairs):
        return model.get_metrics_result()
