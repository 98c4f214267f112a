"""Measures the variants of a study: accuracy, executed blocks and executed multiply-accumulates."""

from collections.abc import Sequence
from typing import Any

from tf_routing import cost, zoo
from tf_routing.core.graph import deciding_layers
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.models import RoutedModel
from tf_routing.studies.study_runs import Setup, TrainedVariant, describe, load_network
from tf_routing.zoo.registry import find

_EVALUATION_BATCH = 256


def operating_points(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Measures variants, and the static network without routers.

    Args:
        setup: What they have in common.
        runs: The trained variants.

    Returns:
        Dict of `static`, a dict of `label`, `macs` and `accuracy` (`None` where no such run is recorded), and `rows`,
        one dict per variant: `accuracy`, `executed_blocks` (K, the mean over test images), `blocks`, `executed_macs`
        (mean), `executed_share` (of the static network's) and `distinct_routes`.
    """
    static = _static_network(setup)
    return {"static": static, "rows": [_row(setup, run, static["macs"]) for run in runs]}


def router_kinds(setup: Setup, runs: Sequence[TrainedVariant]) -> dict[str, Any]:
    """Measures as `operating_points` does, and what routers cost: `router_macs_per_block`, the mean over blocks."""
    points = operating_points(setup, runs)
    for row, run in zip(points["rows"], runs, strict=True):
        row["router_macs_per_block"] = count_router_macs(load_network(setup, run)) / row["blocks"]
    return points


def count_router_macs(model: RoutedModel) -> int:
    """Returns the multiply-accumulates per image of all layers that do nothing but decide."""
    names = {layer.name for layer in deciding_layers(model)}
    return sum(row.macs for row in cost.layer_costs(model) if row.layer in names)


def _row(setup: Setup, run: TrainedVariant, static_macs: int) -> dict[str, Any]:
    results = run.record["final"]
    if run.variant.at_test:
        results = evaluate(load_network(setup, run), setup.dataset, _EVALUATION_BATCH)
    rates = [rate for block_rates in results["execution_rates"].values() for rate in block_rates]
    executed = results["executed_macs"]["mean"]
    return {
        **describe(run),
        "accuracy": results["accuracy"],
        "executed_blocks": sum(rates),
        "blocks": len(rates),
        "executed_macs": executed,
        "executed_share": executed / static_macs,
        "distinct_routes": results["distinct_routes"],
    }


def _static_network(setup: Setup) -> dict[str, Any]:
    name = find(setup.architecture).baseline or setup.architecture
    width = {"width_multiplier": setup.model_arguments.get("width_multiplier", 1.0)}
    model = zoo.get(name, classes=setup.dataset.classes, input_shape=setup.dataset.image_shape, **width)
    same = {"dataset": setup.dataset.name, "recipe": setup.recipe.name, "epochs": setup.recipe.epochs}
    same |= {"model_arguments": width}
    # Trained in another way, or for longer, it would be no comparison.
    accuracies = [row["accuracy"] for row in zoo.card(name).measured if {key: row[key] for key in same} == same]
    return {"label": name, "macs": model.static_cost, "accuracy": accuracies[-1] if accuracies else None}
