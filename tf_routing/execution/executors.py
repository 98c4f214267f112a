"""Chooses the executor of a block, and of a batch."""

import importlib
from collections.abc import Callable
from typing import Any

import keras

from tf_routing.execution import carried_means, in_place
from tf_routing.execution.masked import run_masked
from tf_routing.support.validation import one_of

EXECUTIONS = ("auto", "masked", "sparse")
METHODS = ("auto", "patterns", "rows", "switch")
"""How `sparse` runs a block: by pattern of switches, by part with its own rows, or as the one case of one image."""
BATCH_METHODS = ("auto", "whole", "chunks", "images")
"""How `sparse` runs a batch: at once, a few images after the other, or each image by itself, side by side."""


def check(execution: Any, method: Any = "auto", batch_method: Any = "auto") -> None:
    """Raises an error that says what is accepted if this process cannot run what is asked for.

    Args:
        execution: One of `EXECUTIONS`.
        method: One of `METHODS`.
        batch_method: One of `BATCH_METHODS`.

    Raises:
        ValueError: If a value is not known.
        RuntimeError: If the backend cannot run sparsely.

    Example:

    >>> from tf_routing import execution
    >>> execution.check("masked")
    """
    one_of("execution", execution, EXECUTIONS)
    one_of("method", method, METHODS)
    one_of("batch_method", batch_method, BATCH_METHODS)
    if execution == "sparse" and keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Sparse execution needs the TensorFlow backend; this process runs {keras.backend.backend()!r}, where "
            "'auto' means 'masked'. Received: execution='sparse'"
        )


def check_skips(model: keras.Model, execution: str) -> None:
    """Raises if a model is to skip and has nothing to skip.

    Args:
        model: The model.
        execution: One of `EXECUTIONS`.

    Raises:
        ValueError: If `"sparse"` is asked of a model without parts that switch on and off, and without exits to choose.

    Example:

    >>> from tf_routing import execution, zoo
    >>> execution.check_skips(zoo.get("basecnn", width_multiplier=0.25), "auto")
    """
    if execution == "sparse" and not gated_blocks(model) and not _exits(model):
        raise ValueError(
            f"`execution` must be 'auto' or 'masked' for {model.name!r}: all of it runs for every image, and there is "
            "nothing to skip. Received: execution='sparse'"
        )


def _exits(model: keras.Model) -> list[Any]:
    """The layers of a model, and of models inside it, at which images leave."""
    parts = [_exits(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers]
    return [layer for part in parts for layer in part if hasattr(layer, "tree")]


def possible(execution: str) -> str:
    """Returns how a model that is set to an execution runs here: `"auto"` where the backend has no sparse one.

    Args:
        execution: One of `EXECUTIONS`, perhaps chosen on another backend.

    Example:

    >>> from tf_routing import execution
    >>> execution.possible("masked")
    'masked'
    """
    runs = execution != "sparse" or keras.backend.backend() == "tensorflow"
    return one_of("execution", execution, EXECUTIONS) if runs else "auto"


def supports_jit(execution: str) -> bool:
    """Whether XLA can compile a block: not where it skips, since shapes then depend on the data.

    Args:
        execution: One of `EXECUTIONS`.

    Example:

    >>> from tf_routing import execution
    >>> execution.supports_jit("masked")
    True
    """
    return execution == "masked" or keras.backend.backend() != "tensorflow"


def gated_blocks(model: keras.Model) -> list[Any]:
    """Returns the layers of a model, and of models inside it, that an executor runs.

    Example:

    >>> from tf_routing import execution, zoo
    >>> len(execution.gated_blocks(zoo.get("dmnn50_cifar_n2", width_multiplier=0.125)))
    16
    """
    blocks = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            blocks += gated_blocks(layer)
        elif hasattr(layer, "execution"):
            blocks.append(layer)
    return blocks


def _is_sparse(execution: str, training: bool | None) -> bool:
    # Never in training: every part must learn, and see whole batches.
    return execution != "masked" and not training and keras.backend.backend() == "tensorflow"


def execute(block: Any, inputs: Any, switches: Any, training: bool | None) -> Any:
    """Runs a block's parts as its switches say.

    Args:
        block: A layer with `sub_blocks`, `shortcut_terms`, `finish`, `execution` and `method`, such as
            `layers.SplitBlock`.
        inputs: Tensor `(batch, height, width, channels)`.
        switches: Tensor `(batch, sub_blocks)` of 0 and 1.
        training: Boolean.

    Returns:
        The block's output.

    Example:

    >>> from tf_routing import execution, layers
    >>> x = keras.Input((2, 2, 1))
    >>> block = layers.SplitBlock([keras.Model(x, keras.layers.Rescaling(3.0)(x))], shortcut="identity")
    >>> switches = keras.ops.array([[1.0], [0.0]])
    >>> [float(image[0, 0, 0]) for image in execution.execute(block, keras.ops.ones((2, 2, 2, 1)), switches, False)]
    [4.0, 1.0]
    """
    if not _is_sparse(block.execution, training):
        return run_masked(block, inputs, switches, training)
    # Imported by name, and only here: TensorFlow is not there on other backends.
    return importlib.import_module("tf_routing.execution.sparse").run_sparse(block, inputs, switches)


def execute_batch(model: Any, run: Callable[[Any], Any], inputs: Any, training: bool | None) -> Any:
    """Runs a model on a batch, in parts where that is faster.

    Args:
        model: The `RoutedModel`.
        run: Its forward pass.
        inputs: Images `(batch, height, width, channels)`, or a dict with more.
        training: Boolean.

    Returns:
        What `run` returns for the batch.

    Example:

    >>> from tf_routing import execution, zoo
    >>> model = zoo.get("basecnn", width_multiplier=0.25)
    >>> execution.execute_batch(model, lambda images: images + 1, keras.ops.zeros((1, 2)), False).shape
    TensorShape([1, 2])
    """
    blocks = [] if training or keras.backend.backend() != "tensorflow" else gated_blocks(model)
    if not blocks:
        return run(inputs)
    run_batch = importlib.import_module("tf_routing.execution.batches").run_batch
    if not _is_sparse(model.execution, training):
        return run_batch(run, inputs, blocks, "whole")
    with in_place.running(model), carried_means.carrying():
        return run_batch(run, inputs, blocks, model.batch_method)


def early_exit(model: Any, training: bool | None) -> Callable[[Any], dict[str, Any]] | None:
    """Returns the forward pass of a model that leaves early, where it is to run sparsely, else `None`.

    Args:
        model: The `RoutedModel`.
        training: Boolean.

    Returns:
        A function of a batch that returns `probabilities` and the decisions by name, or `None`.

    Example:

    >>> from tf_routing import execution, zoo
    >>> execution.early_exit(zoo.get("basecnn", width_multiplier=0.25), training=False) is None
    True
    """
    mixtures = [layer for layer in model.layers if hasattr(layer, "tree")]
    if not mixtures or not _is_sparse(model.execution, training):
        return None
    return importlib.import_module("tf_routing.execution.sparse_exits").SparseExits(model, mixtures[0])
