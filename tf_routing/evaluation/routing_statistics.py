"""What a gated network does with a test set: how much it executes, which routes it takes, and how long it takes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tf_routing import cost, execution, zoo
from tf_routing.analysis import hard_routes
from tf_routing.evaluation.timing import interleaved, median_ratio, median_seconds
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input
from tf_routing.transforms.folding import fold_batch_norm
from tf_routing.zoo.registry import find

BATCHES = (1, 8, 32)
_SAMPLES = 64


def routing_statistics(model: RoutedModel, routes: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns executed cost, execution rates and the number of different routes.

    Args:
        model: A gated network.
        routes: Its decisions for a test set.

    Returns:
        Dict of `executed_macs` (mean, deviation, least, most), `execution_rate` (mean over all sub-blocks),
        `execution_rates` by decision, and `distinct_routes`.
    """
    switches = np.concatenate(list(routes.values()), axis=1)
    executed = cost.executed_macs(model, routes, len(switches))
    return {
        "executed_macs": {
            "mean": float(executed.mean()),
            "deviation": float(executed.std()),
            "least": int(executed.min()),
            "most": int(executed.max()),
        },
        "execution_rate": float(switches.mean()),
        "execution_rates": {name: each.mean(axis=0).tolist() for name, each in routes.items()},
        "distinct_routes": distinct_routes(routes),
    }


def distinct_routes(routes: dict[str, np.ndarray]) -> int:
    """Returns how many different rows the decisions of all layers make together."""
    return len(np.unique(hard_routes(routes), axis=0))


def rates_by_category(
    routes: dict[str, np.ndarray], labels: np.ndarray, categories: Sequence[int], names: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """Returns the execution rate of every sub-block among each category's images, by category and decision."""
    groups = np.asarray(categories)[labels]
    return {
        name: {decision: each[groups == group].mean(axis=0).tolist() for decision, each in routes.items()}
        for group, name in enumerate(names)
    }


def measured_times(
    model: RoutedModel, architecture: str | None, model_arguments: dict[str, Any], images: np.ndarray, rounds: int
) -> list[dict[str, Any]]:
    """Times a network beside its static baseline, batch normalisation folded on all sides.

    Args:
        model: A network; one that is gated runs dense and sparse, any other dense.
        architecture: Its name in the zoo, which names the baseline; without one there is none.
        model_arguments: Arguments of the zoo that it was built with.
        images: Images of the test set, `(count, height, width, channels)`.
        rounds: Integer, timed calls of each.

    Returns:
        One dict per batch size: `batch`, milliseconds per image of each side, and ratios to the baseline (to dense
        where there is none).
    """
    folded = {"dense": fold_batch_norm(model)}
    if is_gated(model):
        folded["sparse"] = fold_batch_norm(model)
        folded["dense"].execution, folded["sparse"].execution = "masked", "sparse"
    baseline = find(architecture).baseline if architecture else None
    if baseline:
        width = {key: value for key, value in model_arguments.items() if key == "width_multiplier"}
        static = zoo.get(baseline, classes=model.output_shape[-1], input_shape=image_input(model).shape[1:], **width)
        folded["static"] = fold_batch_norm(static)
    return [_times_at(folded, images[:_SAMPLES], batch, rounds) for batch in BATCHES]


def _times_at(models: dict[str, RoutedModel], images: np.ndarray, batch: int, rounds: int) -> dict[str, Any]:
    times = interleaved({name: compiled(each, images, batch) for name, each in models.items()}, rounds)
    reference = "static" if "static" in times else "dense"
    row: dict[str, Any] = {"batch": batch}
    row |= {f"{name}_milliseconds": 1e3 * median_seconds(each) / batch for name, each in times.items()}
    row |= {
        f"{name}_to_{reference}": median_ratio(each, times[reference])
        for name, each in times.items()
        if name != reference
    }
    return row


def compiled(model: Any, images: np.ndarray, batch: int, freeze: bool = False) -> Callable[[int], Any]:
    """Returns a function of a round's number that runs a model, compiled for a batch size, on that round's images.

    With `freeze` its weights are constants, as in an export that is frozen. A network that is told the cost is told the
    first of those that it learnt with.
    """
    import tensorflow as tf

    from tf_routing.execution.freezing import frozen

    signature = [tf.TensorSpec((batch, *images.shape[1:]), tf.float32)]
    wrap = frozen if freeze else partial(tf.function, autograph=False)
    beside = {}
    if isinstance(getattr(model, "input", None), dict):
        beside = {name: values[0] for name, values in model.default_objective().drawn_inputs.items()}

    def run(x: Any) -> Any:
        """The forward pass."""
        told = {name: tf.fill((batch, 1), value) for name, value in beside.items()}
        return model({"image": x, **told} if told else x, training=False)

    function = wrap(run, signature)
    stock = np.resize(images, (max(len(images), batch), *images.shape[1:])).astype("float32")
    batches = [tf.constant(stock[start : start + batch]) for start in range(0, len(stock) - batch + 1, batch)]
    return lambda number: np.asarray(function(batches[number % len(batches)]))


def is_gated(model: RoutedModel) -> bool:
    """Whether parts of a network are skipped."""
    return bool(execution.gated_blocks(model))
