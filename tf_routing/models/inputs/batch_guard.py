"""Guards around Keras's loops over batches, so that a dataset without a batch is noticed and harms nothing."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from tf_routing.core.private_apis import stored_value
from tf_routing.models.inputs.input_watch import InputWatch

_INFINITE = -1


class NoBatch(ValueError):
    """Raised where a loop over batches ran none."""

    def __init__(self) -> None:
        super().__init__("`x` must hold at least one batch of images. Received: none")


def refuse_endless(x: Any) -> None:
    """Refuses a dataset that repeats for ever, where all of it would be read.

    Raises:
        ValueError: If it does.
    """
    if isinstance(x, keras.utils.PyDataset):
        endless = x.num_batches is None
    else:
        endless = hasattr(x, "cardinality") and int(x.cardinality()) == _INFINITE
    if endless:
        raise ValueError("`x` must end, and this dataset repeats for ever: take(n) of it, or say `steps`.")


def guard(function: Callable[..., Any], look: Callable[[Any], None], watch: InputWatch) -> Callable[..., Any]:
    """Returns a train, test or predict function of Keras that notices if the first batch is missing.

    Args:
        function: The function, whose last argument are batches.
        look: Is called with the first batch where it can be seen.
        watch: The model's memory: it learns whether a batch has run, and may hold images that are still to be looked
            at.

    Returns:
        The function, which raises `NoBatch` instead of ending where none has run.
    """

    def run(*arguments: Any) -> Any:
        """Runs Keras's function on the next batch, and notes that there was one."""
        *state, batches = arguments
        if not watch.has_run:
            batches = _show_first(batches, look)
        try:
            outputs = function(*state, batches)
        except Exception as error:
            if not watch.has_run and _is_end(error):
                raise NoBatch from error
            raise
        watch.has_run = True
        while watch.shown:
            look(watch.shown.pop())
        return outputs

    return run


def _show_first(batches: Any, look: Callable[[Any], None]) -> Any:
    """Returns the batches, of which the first was shown: not TensorFlow's iterators, which are read in a graph."""
    if isinstance(batches, list):
        look(batches[0])
    elif keras.backend.backend() == "jax":
        first = list(itertools.islice(batches, 1))
        for batch in first:
            look(batch)
        return itertools.chain(first, batches)
    return batches


def _is_end(error: Exception) -> bool:
    return isinstance(error, StopIteration) or type(error).__name__ == "OutOfRangeError"


@contextmanager
def keep_values(model: keras.Model) -> Iterator[None]:
    """Gives a model its values back if a loop fails in its first step.

    On JAX Keras takes them from the variables while it loops, and loses them with the exception.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *model.metrics_variables, *(optimizer.variables if optimizer else [])]
    kept = [(variable, stored_value(variable)) for variable in variables]
    try:
        yield
    except Exception:
        model.jax_state_sync()
        for variable, value in kept:
            if stored_value(variable) is None and value is not None:
                variable.assign(value)
        raise
