"""Compares an exported file with the model on random images, before the file appears at its path."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from tf_routing.core.pixel_values import LARGEST_BYTE, scale_to
from tf_routing.core.private_apis import all_layers
from tf_routing.exporting.masked_run import running_masked
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.input_range import input_range
from tf_routing.support.notices import warn

BATCHES = (1, 3, 7)
"""Images in the batches that are compared."""

_SEED = 0
# What rounding alone explains: a few units in the last place of what layers compute in.
_TOLERANCES = {"float16": 5e-3, "bfloat16": 5e-2}
_TOLERANCE = 1e-5
# Of a graph whose sums TensorFlow orders as it likes.
_LEAST = 1e-4


def default_tolerance(model: keras.Model) -> float:
    """Returns the largest difference of a probability that rounding explains, by the dtype policies of the layers.

    1e-5 in float32, 5e-3 where a layer computes in float16, 5e-2 where one does in bfloat16.

    Args:
        model: The model.

    Example:

    >>> from tf_routing import zoo
    >>> from tf_routing.exporting.verification import default_tolerance
    >>> default_tolerance(zoo.get("basecnn", width_multiplier=0.25))
    1e-05
    """
    return max(_TOLERANCES.get(layer.compute_dtype, _TOLERANCE) for layer in all_layers(model))


def check_numbers(
    model: keras.Model,
    run: Callable[[Any], Any],
    tolerance: float,
    kind: str,
    specs: Any = None,
    batches: Iterable[int] = BATCHES,
) -> None:
    """Raises an error if a function gives other probabilities than a model, for images of noise.

    Args:
        model: The model.
        run: What was written, as a function of what the model takes, arrays.
        tolerance: Float, largest difference of a probability.
        kind: What was written, for the message.
        specs: What is taken, with `shape` and `dtype`; the model's input where not given.
        batches: Images in the batches to compare.

    Raises:
        ValueError: If a probability differs by more, or what was written does not run.
    """
    random = np.random.default_rng(_SEED)
    specs = model.input if specs is None else specs
    for count in batches:
        drawn = _draw(model, specs, count, random)
        try:
            answer = np.asarray(run(drawn), "float32")
        # Runtimes raise whatever they meet, of classes of their own.
        except Exception as error:
            raise ValueError(
                f"{model.name} as {kind} does not run: {type(error).__name__}: {error} Nothing was written."
            ) from error
        expected = np.asarray(keras.ops.cast(model(drawn, training=False), "float32"))
        if answer.shape != expected.shape or not np.allclose(answer, expected, rtol=0, atol=tolerance, equal_nan=True):
            raise ValueError(_describe_difference(model, answer, expected, tolerance, kind))


def warn_of_difference(model: RoutedModel, run: Callable[[Any], Any], kind: str) -> None:
    """Warns where a graph gives other probabilities than the model does operation by operation, for images of noise.

    TensorFlow joins operations of a graph, not always rightly, and a graph may run where it joins others.

    Args:
        model: The model.
        run: The graph, as a function of what the model takes, arrays.
        kind: What holds the graph, for the message.
    """
    drawn = _draw(model, model.input, max(BATCHES), np.random.default_rng(_SEED))
    # First: a graph that is traced for it is not to be that of the masked model.
    answer = np.asarray(run(drawn), "float32")
    with running_masked(model):
        expected = np.asarray(keras.ops.cast(model(drawn, training=False), "float32"))
    tolerance = max(_LEAST, default_tolerance(model))
    if not np.allclose(answer, expected, rtol=0, atol=tolerance, equal_nan=True):
        warn(
            f"{model.name} as {kind} differs by {np.abs(answer - expected).max():.1e} from itself when it is called. "
            "TensorFlow joins operations of graphs, and with oneDNN forgets the slope of a LeakyReLU behind a residual "
            "sum: where the file is to be served, set TF_ENABLE_ONEDNN_OPTS=0, and compare."
        )


def _draw(model: keras.Model, specs: Any, count: int, random: np.random.Generator) -> Any:
    taken = input_range(model)
    return keras.tree.map_structure(lambda spec: _draw_inputs(spec, count, random, taken), specs)


def _draw_inputs(spec: Any, count: int, random: np.random.Generator, taken: tuple[float, float]) -> np.ndarray:
    dtype, shape = keras.backend.standardize_dtype(spec.dtype), (count, *spec.shape[1:])
    if dtype.startswith(("int", "uint")):
        return random.integers(0, LARGEST_BYTE + 1, shape).astype(dtype)
    # The only auxiliary input is a column of costs, of which zero is one.
    return (scale_to(random.uniform(size=shape), taken, 1) if len(shape) > 2 else np.zeros(shape)).astype(dtype)


def _describe_difference(
    model: keras.Model, answer: np.ndarray, expected: np.ndarray, tolerance: float, kind: str
) -> str:
    if answer.shape != expected.shape:
        return f"{model.name} as {kind} answers in shape {answer.shape}, not {expected.shape}: nothing was written."
    hint = " A larger `tolerance` lets it pass." if tolerance <= default_tolerance(model) else ""
    return (
        f"{model.name} as {kind} differs by {np.abs(answer - expected).max():.1e} from itself, more than "
        f"tolerance={tolerance:g}: nothing was written.{hint}"
    )
