"""Times a network, masked and sparse, against its static baseline on test images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tf_routing import zoo
from tf_routing.evaluation.routing_statistics import is_gated
from tf_routing.evaluation.timing import median_ratio, median_seconds, time_in_turn
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input
from tf_routing.transforms.folding import fold_batch_norm
from tf_routing.zoo.registry import find

BATCH_SIZES = (1, 8, 32)
_SAMPLES = 64


def measure_times(
    model: RoutedModel, architecture: str | None, model_arguments: dict[str, Any], images: np.ndarray, rounds: int
) -> list[dict[str, Any]]:
    """Times a network and its static baseline, batch normalisation folded in all of them.

    Args:
        model: A network; one that is gated runs masked and sparse, any other masked.
        architecture: Its name in the zoo, which names the baseline; without one there is none.
        model_arguments: Arguments of the zoo that it was built with.
        images: Images of the test set, `(count, height, width, channels)`.
        rounds: Integer, timed calls of each.

    Returns:
        One dict per batch size: `batch`, milliseconds per image of `masked`, `sparse` (gated networks) and `static`
        (networks with a baseline), and ratios to the baseline (to masked where there is none).
    """
    folded = {"masked": fold_batch_norm(model)}
    if is_gated(model):
        folded["sparse"] = fold_batch_norm(model)
        folded["masked"].execution, folded["sparse"].execution = "masked", "sparse"
    baseline = find(architecture).baseline if architecture else None
    if baseline:
        width = {key: value for key, value in model_arguments.items() if key == "width_multiplier"}
        static = zoo.get(baseline, classes=model.output_shape[-1], input_shape=image_input(model).shape[1:], **width)
        folded["static"] = fold_batch_norm(static)
    return [_time_batches(folded, images[:_SAMPLES], batch_size, rounds) for batch_size in BATCH_SIZES]


def _time_batches(models: dict[str, RoutedModel], images: np.ndarray, batch_size: int, rounds: int) -> dict[str, Any]:
    forwards = {name: compile_forward(model, images, batch_size) for name, model in models.items()}
    times = time_in_turn(forwards, rounds)
    reference = "static" if "static" in times else "masked"
    row: dict[str, Any] = {"batch": batch_size}
    row |= {f"{name}_milliseconds": 1e3 * median_seconds(timings) / batch_size for name, timings in times.items()}
    row |= {
        f"{name}_to_{reference}": median_ratio(timings, times[reference])
        for name, timings in times.items()
        if name != reference
    }
    return row


def compile_forward(model: Any, images: np.ndarray, batch_size: int, freeze: bool = False) -> Callable[[int], Any]:
    """Compiles the forward pass of a model for one batch size.

    Args:
        model: A model, or a function of images. One conditioned on the cost of computation is given the first of the
            costs that it learnt with.
        images: Images, `(count, height, width, channels)`; they are repeated where they do not fill a batch.
        batch_size: Integer, images per call.
        freeze: Boolean, whether weights are constants, as in an export that is frozen.

    Returns:
        A function of a round's number, which runs the model on that round's images and returns an array.
    """
    import tensorflow as tf

    from tf_routing.execution.freezing import freeze as freeze_weights

    signature = [tf.TensorSpec((batch_size, *images.shape[1:]), tf.float32)]
    wrap = freeze_weights if freeze else partial(tf.function, autograph=False)
    costs = {}
    if isinstance(getattr(model, "input", None), dict):
        costs = {name: values[0] for name, values in model.default_objective().drawn_inputs.items()}

    def run(x: Any) -> Any:
        """Runs the model, with the costs where it is conditioned on them."""
        conditions = {name: tf.fill((batch_size, 1), value) for name, value in costs.items()}
        return model({"image": x, **conditions} if conditions else x, training=False)

    function = wrap(run, signature)
    stock = np.resize(images, (max(len(images), batch_size), *images.shape[1:])).astype("float32")
    starts = range(0, len(stock) - batch_size + 1, batch_size)
    batches = [tf.constant(stock[start : start + batch_size]) for start in starts]
    return lambda number: np.asarray(function(batches[number % len(batches)]))
