"""Groups test images by the route that they take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis import RouteGroup, hard_routes, route_groups
from tf_routing.evaluation.image_versions import version_batches
from tf_routing.studies.study_runs import Setup, TrainedVariant, describe, load_network

_LISTED = 100
_EXAMPLES = 8


def grouped_routes(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Groups test images by their routes.

    Args:
        setup: What the network is trained and tested on.
        runs: The trained network alone.

    Returns:
        Dict of `network`, `images`, their number, `distinct_routes`, and `rows`, one dict for each of the 100 most
        frequent routes: `route`, a text of bits in order of depth, `executed_blocks`, `count`, `classes`, the counts of
        classes by name, `examples`, the indices of the first images, and `examples_by_class`, the index of the first
        image of each class by name.
    """
    (run,) = runs
    routes = hard_routes(load_network(setup, run).routes(version_batches(setup.dataset, None, setup.seed)))
    groups = route_groups(routes)
    labels, names = setup.dataset.test.labels, setup.dataset.class_names
    return {
        "network": describe(run),
        "images": len(routes),
        "distinct_routes": len(groups),
        "rows": [_row(group, labels, names) for group in groups[:_LISTED]],
    }


def _row(group: RouteGroup, labels: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(labels[group.images], minlength=len(names))
    return {
        "route": "".join(map(str, group.route)),
        "executed_blocks": int(group.route.sum()),
        "count": len(group.images),
        "classes": {name: int(count) for name, count in zip(names, counts, strict=True) if count},
        "examples": group.images[:_EXAMPLES].tolist(),
        "examples_by_class": {
            names[label]: int(group.images[labels[group.images] == label][0])
            for label in np.flatnonzero(counts).tolist()
        },
    }
