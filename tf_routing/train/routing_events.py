"""What test images decide, after every epoch, for TensorBoard: rates and executed cost, and two pictures of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tf_routing import cost
from tf_routing.evaluation.exit_statistics import leaves_early
from tf_routing.evaluation.routing_statistics import distinct_routes, is_gated
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.images import image_part

# Pixels of a cell of the picture of rates, and images in a row of the other.
_CELL, _SHOWN = 16, 8


class RoutingEvents(keras.callbacks.Callback):
    """Writes the decisions of the first batch of test images as TensorBoard's events, after every epoch.

    Scalars are the rate of every choice, or the mean of every gate, by the name of the decision; of networks that skip
    also `executed_share`, of the cost of the whole network, and `distinct_routes`. The pictures are `rates`, a row per
    class and a column per choice, white where all images of a class made it; and `cheapest_and_dearest`, the images
    that executed least above those that executed most.

    Args:
        folder: Where events go.
        batches: Batches of test images and labels, as `evaluation_batches` makes them.
        plain: Returns the model to look at.
    """

    def __init__(self, folder: Path, batches: Any, plain: Callable[[], RoutedModel]) -> None:
        super().__init__()
        import tensorflow as tf

        self.plain = plain
        # Of a dataset by itself, so that the trace with which it is measured in the end serves here too.
        self.first = batches.take(1) if isinstance(batches, tf.data.Dataset) else batches[0][0]
        x, y = next(iter(batches)) if isinstance(batches, tf.data.Dataset) else batches[0]
        self.images, self.labels = np.asarray(image_part(x)), np.asarray(y)
        self.writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks, and writes all of it to disk."""
        import tensorflow as tf

        model = self.plain()
        routes = model.routes(self.first)
        scalars, pictures = self._summarize(model, routes)
        with self.writer.as_default(step=epoch):
            for name, value in scalars.items():
                tf.summary.scalar(f"routing/{name}", value)
            for name, picture in pictures.items():
                tf.summary.image(f"routing/{name}", picture[None])
        self.writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the file."""
        self.writer.close()

    def _summarize(
        self, model: RoutedModel, routes: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        scalars, pictures = mean_decisions(routes), {"rates": picture_rates(routes, self.labels)}
        if is_gated(model) or leaves_early(model):
            executed = cost.executed_macs(model, routes, len(self.labels))
            scalars |= {
                "executed_share": float(executed.mean()) / model.static_cost,
                "distinct_routes": float(distinct_routes(dict(routes))),
            }
            pictures["cheapest_and_dearest"] = picture_extremes(self.images, executed)
        return scalars, pictures


def mean_decisions(routes: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the mean of each choice, or gate, over images.

    Args:
        routes: What `RoutedModel.routes` returns.

    Example:

    >>> mean_decisions({"router_1": np.array([[1.0], [0.0]]), "controller_1": np.array([[1.0, 0.0], [1.0, 1.0]])})
    {'router_1': 0.5, 'controller_1/1': 1.0, 'controller_1/2': 0.5}
    """
    means = {}
    for name, values in routes.items():
        for place, mean in np.ndenumerate(np.nanmean(values, axis=0)):
            inside = "" if values[0].size == 1 else "/" + "_".join(str(index + 1) for index in place)
            means[f"{name}{inside}"] = float(mean)
    return means


def picture_rates(routes: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Returns a picture `(height, width, 1)` of bytes: a row per class, a column per choice, in order of depth."""
    flat = np.concatenate([values.reshape(len(values), -1) for values in routes.values()], axis=1)
    rates = np.stack([np.nanmean(flat[labels == label], axis=0) for label in np.unique(labels)])
    cells = np.rint(np.clip(rates, 0, 1) * 255).astype("uint8")
    return cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)[:, :, None]


def picture_extremes(images: np.ndarray, executed: np.ndarray) -> np.ndarray:
    """Returns a picture of the images that executed least, the least first, above those that executed most.

    Args:
        images: Array `(count, height, width, channels)` with values in [0, 1].
        executed: Array `(count,)`, MACs of each.
    """
    order = np.argsort(executed, kind="stable")
    shown = min(_SHOWN, len(order))
    rows = [np.concatenate(list(images[chosen]), axis=1) for chosen in (order[:shown], order[::-1][:shown])]
    return np.clip(np.concatenate(rows), 0, 1)
