"""Compares how many test images keep their route when they are cropped, flipped or rotated, between variants."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis import consistent_images
from tf_routing.evaluation.accuracies import are_right
from tf_routing.evaluation.image_versions import version_batches, versions_of
from tf_routing.evaluation.version_routes import find_version_routes, measure_consistency
from tf_routing.studies.study_runs import Setup, TrainedVariant, describe, load_network


def path_consistency(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Counts the images whose route is the same in all versions.

    Args:
        setup: What the networks have in common.
        runs: The trained variants.

    Returns:
        Dict of `images`, the number of test images, `image_versions`, their names, and `rows`, one dict per variant:
        what `version_routes.measure_consistency` returns, and `accuracies`, of the originals and by version.

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, section 4.2: 5,342 of 10,000 images of CIFAR-10 with its routing terms, 2,265 without.
    """
    versions = versions_of(setup.dataset)
    rows = [_row(setup, run, versions) for run in runs]
    return {"images": setup.dataset.test.image_count, "image_versions": list(versions), "rows": rows}


def _row(setup: Setup, run: TrainedVariant, versions: Sequence[str]) -> dict[str, Any]:
    model = load_network(setup, run)
    return {
        **describe(run),
        **measure_consistency(model, setup.dataset, setup.seed),
        "accuracies": _accuracies(setup, model, versions),
    }


def _accuracies(setup: Setup, model: Any, versions: Sequence[str]) -> dict[str, float]:
    accuracies = {}
    for name in (None, *versions):
        probabilities = model.predict(version_batches(setup.dataset, name, setup.seed), verbose=0)
        accuracies[name or "original"] = float(np.mean(are_right(probabilities, setup.dataset.test.labels)))
    return accuracies


def made_consistent(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Finds the images that the routing terms keep on one route.

    Args:
        setup: What the networks have in common.
        runs: The variants trained with and without these terms.

    Returns:
        Dict of `images`, `image_versions`, `rows`, one dict per variant with its number of `consistent` images,
        `made_consistent` and `made_inconsistent`, the numbers of images whose route is the same in all versions in the
        first network alone and in the second alone, and `indices`, the former.
    """
    versions = versions_of(setup.dataset)
    consistent = []
    for run in runs:
        routes = find_version_routes(load_network(setup, run), setup.dataset, versions, setup.seed)
        consistent.append(consistent_images(routes.pop("original"), routes.values()))
    with_terms, without = consistent
    made = np.flatnonzero(with_terms & ~without)
    rows = [{**describe(run), "consistent": int(kept.sum())} for run, kept in zip(runs, consistent, strict=True)]
    return {
        "images": len(with_terms),
        "image_versions": list(versions),
        "rows": rows,
        "made_consistent": len(made),
        "made_inconsistent": int((without & ~with_terms).sum()),
        "indices": made.tolist(),
    }
