"""Errors of a training run, with what to do about them."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path


class NotFinite(RuntimeError):
    """Raised where a loss, one of its terms or a weight is NaN or infinite."""


def not_finite(step: int, values: Mapping[str, float], newest: Path | None) -> NotFinite:
    """Returns the error for values that are not finite.

    Args:
        step: Integer, the step after which they were found, counted from 1.
        values: The values by name.
        newest: The last checkpoint, if there is one.

    Example:

    >>> print(not_finite(7, {"loss": float("nan")}, None))
    Step 7: loss is nan. There is no checkpoint before. The same command would come here again: try a lower ...
    """
    what = ", ".join(f"{name} is {value}" for name, value in values.items())
    before = f"The last good checkpoint is {newest}." if newest else "There is no checkpoint before."
    advice = "The same command would come here again: try a lower learning rate, in another --output."
    return NotFinite(f"Step {step}: {what}. {before} {advice}")


@contextlib.contextmanager
def explain_tensorflow_errors() -> Iterator[None]:
    """Turns what an operation of TensorFlow raises into one line.

    Raises:
        RuntimeError: If the block raises an error of a TensorFlow operation.
    """
    try:
        yield
    except Exception as error:
        # By its module, since there may be no TensorFlow.
        if type(error).__module__ != "tensorflow.python.framework.errors_impl":
            raise
        reason = (str(getattr(error, "message", "")) or str(error)).strip().splitlines()[0]
        raise RuntimeError(f"TensorFlow stopped with {type(error).__name__}: {reason}") from error
