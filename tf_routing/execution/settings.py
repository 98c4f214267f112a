"""The settings of how gated parts run: which there are, which this process can run, and how files hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tf_routing.support.validation import one_of

EXECUTIONS = ("auto", "masked", "sparse")
METHODS = ("auto", "patterns", "rows", "switch", "buckets")
"""How `sparse` runs a block: by pattern of switches, by part with its own rows, as the one case of one image, or by
part with its rows in buckets of one size. The last is the one way on JAX and under XLA, whatever is set."""
BACKENDS = ("tensorflow", "jax")
"""The backends of Keras on which parts can be skipped."""
BATCH_METHODS = ("auto", "whole", "chunks", "images")
"""How `sparse` runs a batch: at once, a few images after the other, or each image by itself, side by side."""


@dataclass(frozen=True)
class Settings:
    """How the gated parts of a model, or one block by itself, run.

    Args:
        execution: One of `EXECUTIONS`. `"auto"` skips at inference where the backend can.
        method: One of `METHODS`. `"auto"` goes by measurements.
        batch_method: One of `BATCH_METHODS`. `"auto"` goes by measurements.

    Example:

    >>> Settings("masked").within(Settings("auto", "rows"))
    Settings(execution='masked', method='rows', batch_method='auto')
    """

    execution: str = "auto"
    method: str = "auto"
    batch_method: str = "auto"

    def within(self, inner: "Settings") -> "Settings":
        """Returns these settings with `inner`, those of a part, in the place of whatever is left at `"auto"`."""
        # Not by `asdict`, whose deep copies cost as much as the rest of a block's call.
        pairs = zip(vars(self).values(), vars(inner).values(), strict=True)
        return Settings(*(theirs if mine == "auto" else mine for mine, theirs in pairs))


def check(execution: Any, method: Any = "auto", batch_method: Any = "auto") -> Settings:
    """Returns the settings, or raises an error that says what is accepted if this process cannot run what is asked for.

    Args:
        execution: One of `EXECUTIONS`.
        method: One of `METHODS`.
        batch_method: One of `BATCH_METHODS`.

    Returns:
        The `Settings`.

    Raises:
        ValueError: If a value is not known.
        RuntimeError: If the backend cannot run sparsely.

    Example:

    >>> from tf_routing import execution
    >>> execution.check("masked").method
    'auto'
    """
    one_of("execution", execution, EXECUTIONS)
    one_of("method", method, METHODS)
    one_of("batch_method", batch_method, BATCH_METHODS)
    if execution == "sparse" and keras.backend.backend() not in BACKENDS:
        raise RuntimeError(
            f"Sparse execution needs TensorFlow or JAX as the backend; this process runs {keras.backend.backend()!r}, "
            "where 'auto' means 'masked'. Received: execution='sparse'"
        )
    return Settings(execution, method, batch_method)


def possible(execution: str) -> str:
    """Returns how a model that is set to an execution runs here: `"auto"` where the backend has no sparse one.

    Args:
        execution: One of `EXECUTIONS`, perhaps chosen on another backend.

    Example:

    >>> from tf_routing import execution
    >>> execution.possible("masked")
    'masked'
    """
    runs = execution != "sparse" or keras.backend.backend() in BACKENDS
    return one_of("execution", execution, EXECUTIONS) if runs else "auto"


def supports_jit(execution: str) -> bool:
    """Whether Keras may compile a block with XLA unasked: not where it skips on TensorFlow.

    XLA needs static shapes, and shapes that depend on the data skip more there. Who asks for `jit_compile=True` gets
    it.

    Args:
        execution: One of `EXECUTIONS`.

    Example:

    >>> from tf_routing import execution
    >>> execution.supports_jit("masked")
    True
    """
    return execution == "masked" or keras.backend.backend() != "tensorflow"


def load_settings(saved: Mapping[str, str], blocks: Sequence[Any]) -> Settings:
    """Returns the settings of a model that comes from a file, which this process may not be able to run as they are.

    Before models had a `method`, they wrote their settings onto the blocks, whose files hold them. A block's argument
    decides where the model's is "auto", so that a setting that a model wrote would outlive it: it is taken off again.

    Args:
        saved: The settings by name.
        blocks: The model's gated blocks, as the file describes them.

    Returns:
        The `Settings`.

    Example:

    >>> load_settings({"execution": "masked", "method": "rows", "batch_method": "auto"}, []).method
    'rows'
    """
    execution = possible(saved.get("execution", "auto"))
    methods = {block.method for block in blocks}
    if "method" in saved or not methods:
        return Settings(execution, saved.get("method", "auto"), saved.get("batch_method", "auto"))
    for block in blocks:
        if block.execution == execution:
            block.execution = "auto"
        if len(methods) == 1:
            block.method = "auto"
    return Settings(execution, methods.pop() if len(methods) == 1 else "auto", saved.get("batch_method", "auto"))
