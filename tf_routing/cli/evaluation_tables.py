"""Prints the results of `tf-routing evaluate` as lines and tables."""

from typing import Any

import numpy as np
from rich.table import Table

from tf_routing.models import RoutedModel
from tf_routing.support import terminal


def show(model: RoutedModel, results: dict[str, Any]) -> None:
    """Prints results.

    Args:
        model: The network.
        results: What `evaluate.evaluate` returns.
    """
    terminal.show(
        f"{model.name} on {results['images']:,} test images of {results['dataset']}: accuracy "
        f"{results['accuracy']:.4f}, at most {results['macs']:,} MACs per image"
    )
    if "nan_predictions" in results:
        terminal.show(f"{results['nan_predictions']:,} predictions are NaN; they count as wrong")
    if "top5_accuracy" in results:
        terminal.show(f"Top-5 accuracy {results['top5_accuracy']:.4f}; crops of each image: {results['crops']}")
    if results.get("gates"):
        terminal.show(_gate_table(results["gates"]))
    if "executed_macs" in results:
        _show_gating(results)
    if "times" in results:
        terminal.show(_time_table(results["times"]))


def _gate_table(gates_by_name: dict[str, Any]) -> Table:
    table = Table("routing layer", "gate", "mean", "deviation over images")
    for name, gates in gates_by_name.items():
        means, deviations = np.array(gates["mean"]), np.array(gates["deviation"])
        for i, j in np.ndindex(means.shape):
            table.add_row(name, f"{i + 1} -> {j + 1}", f"{means[i, j]:.3f}", f"{deviations[i, j]:.3f}")
    return table


def _show_gating(results: dict[str, Any]) -> None:
    executed = results["executed_macs"]
    rate = f"; execution rate {results['execution_rate']:.3f}" if "execution_rate" in results else ""
    terminal.show(
        f"Executed MACs per image: mean {executed['mean']:,.0f}, deviation {executed['deviation']:,.0f}, from "
        f"{executed['least']:,} to {executed['most']:,}. {results['distinct_routes']:,} distinct routes{rate}."
    )
    if "consistent" in results:
        kept = ", ".join(f"{name} {count:,}" for name, count in results["consistent_by_version"].items())
        terminal.show(
            f"{results['consistent']:,} of {results['images']:,} images keep their route in every version: "
            f"{kept.replace('_', ' ')}."
        )
    terminal.show(_rate_table(results["execution_rates"]))
    for row in results.get("by_cost", [results] if "exits" in results else []):
        error = f"At a cost of {row['computation_cost']:g}: error" if "computation_cost" in row else "Error"
        terminal.show(f"{error} {row['error']:.4f}, {row['mean_macs']:,.0f} MACs per image.")
        terminal.show(_exit_table(row["exits"]))
    if "rates_by_category" in results:
        terminal.show(_category_table(results["rates_by_category"]))


def _rate_table(rates_by_name: dict[str, list[float]]) -> Table:
    # Of a controller choices are sub-blocks, of a junction leaving or going on.
    table = Table("router", title="Share of images that took each choice; of a single one, that ran the block")
    for n in range(max(map(len, rates_by_name.values()))):
        table.add_column(f"choice {n + 1}", justify="right")
    for name, rates in rates_by_name.items():
        table.add_row(name, *(f"{rate:.3f}" for rate in rates))
    return table


def _exit_table(exits: dict[str, Any]) -> Table:
    table = Table("exit")
    for heading in ("images", "wrong"):
        table.add_column(heading, justify="right")
    for name, counts in exits.items():
        correct, incorrect = sum(counts["correct"]), sum(counts["incorrect"])
        table.add_row(name, f"{correct + incorrect:,}", f"{incorrect:,}")
    return table


def _category_table(rates: dict[str, dict[str, list[float]]]) -> Table:
    by_category = {name: np.concatenate(list(decisions.values())) for name, decisions in rates.items()}
    typical = np.mean(list(by_category.values()), axis=0)
    table = Table("category", title="Execution rates by category")
    for heading in ("mean rate", "largest difference from the mean category, in any sub-block"):
        table.add_column(heading, justify="right")
    for name, values in by_category.items():
        table.add_row(name, f"{values.mean():.3f}", f"{np.abs(values - typical).max():.3f}")
    return table


def _time_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="Measured time; batch normalisation folded in all of them")
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(str(row["batch"]), *(f"{value:.2f}" for key, value in row.items() if key != "batch"))
    return table
