"""Counts the test images whose route stays the same when they are cropped, flipped or rotated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis import consistent_images, hard_routes
from tf_routing.data import Dataset
from tf_routing.data.batching.batches import add_drawn_inputs
from tf_routing.evaluation.image_versions import version_batches, versions_of
from tf_routing.models import RoutedModel


def measure_consistency(model: RoutedModel, dataset: Dataset, seed: int = 0) -> dict[str, Any]:
    """Counts the test images that keep their route.

    Args:
        model: A network that skips blocks.
        dataset: Dataset whose images have the network's size.
        seed: Integer, seed of shifts and angles.

    Returns:
        Dict of `consistent`, the number of test images whose route is the original's in every version, and
        `consistent_by_version`, by the names of `image_versions.versions_of`.

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, section 4.2.
    """
    routes = find_version_routes(model, dataset, versions_of(dataset), seed)
    original = routes.pop("original")
    return {
        "consistent": int(consistent_images(original, routes.values()).sum()),
        "consistent_by_version": {
            name: int(consistent_images(original, [changed]).sum()) for name, changed in routes.items()
        },
    }


def find_version_routes(
    model: RoutedModel, dataset: Dataset, versions: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    """Returns the routes `(images, choices)` of the test images by version, the originals' as `original`."""
    # A network that is told the cost of computation is told the same one of an image in all versions.
    drawn = model.default_objective().drawn_inputs
    batches = {"original": None, **{name: name for name in versions}}
    return {
        name: hard_routes(model.routes(add_drawn_inputs(version_batches(dataset, version, seed), drawn, seed)))
        for name, version in batches.items()
    }
