"""What stands around Keras's loops over batches, so that having none is noticed and harms nothing."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

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


def guarded(
    function: Callable[..., Any], ran: list[bool], look: Callable[[Any], None], shown: list[Any]
) -> Callable[..., Any]:
    """Returns a train, test or predict function of Keras that notices if the first batch is missing.

    Args:
        function: The function, whose last argument are batches.
        ran: Holds whether a batch has run.
        look: Is shown the first batch where it can be seen.
        shown: Batches that were seen elsewhere, and are still to be looked at.

    Returns:
        The function, which raises `NoBatch` instead of ending where none has run.
    """

    def run(*arguments: Any) -> Any:
        """Runs the next batch."""
        *state, batches = arguments
        if not ran[0]:
            batches = _shown(batches, look)
        try:
            outputs = function(*state, batches)
        except Exception as error:
            if not ran[0] and _is_end(error):
                raise NoBatch from error
            raise
        ran[0] = True
        while shown:
            look(shown.pop())
        return outputs

    return run


def _shown(batches: Any, look: Callable[[Any], None]) -> Any:
    """The batches, of which the first was shown: TensorFlow's iterators stay closed, since they are read in a graph."""
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
def values_kept(model: keras.Model) -> Iterator[None]:
    """Gives a model its values back if a loop fails in its first step.

    On JAX Keras takes them from the variables while it loops, and loses them with the exception.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *model.metrics_variables, *(optimizer.variables if optimizer else [])]
    kept = [(variable, variable._value) for variable in variables]
    try:
        yield
    except Exception:
        model.jax_state_sync()
        for variable, value in kept:
            if variable._value is None and value is not None:
                variable.assign(value)
        raise
