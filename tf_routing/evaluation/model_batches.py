"""Batches of images as a network reads them: with the inputs beside the images that its training draws."""

from typing import Any

from tf_routing.data.batching.batches import add_drawn_inputs, evaluation_batches
from tf_routing.models import RoutedModel


def model_batches(model: RoutedModel, images: Any, batch_size: int, crops: int = 1) -> Any:
    """Returns batches of images and labels; a network that is told the cost of computation is told drawn ones.

    Args:
        model: The network.
        images: An image set, as the network sees it.
        batch_size: Integer, images per batch.
        crops: Integer, versions of each image, one behind the other.
    """
    batches = evaluation_batches(images, batch_size, crops)
    return add_drawn_inputs(batches, model.default_objective().drawn_inputs, seed=0)
