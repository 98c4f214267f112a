"""Prints what a network does at budgets of computation."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from tf_routing.support import terminal
from tf_routing.zoo.card_fields import BUDGET_COLUMNS, budget_cells


def show(model: str, dataset: str, results: Mapping[str, Any]) -> None:
    """Prints results.

    Args:
        model: Name of the network.
        dataset: Name of its dataset.
        results: What `evaluation.budgets.measure_budgets` returns.
    """
    trained = results["trained"]
    terminal.show(
        f"{model} on {results['test_images']:,} test images of {dataset}, calibrated with "
        f"{results['calibration_images']:,} others. As trained it executes {trained['share']:.3f} of "
        f"{results['static_macs']:,} MACs, accuracy {trained['accuracy']:.4f}."
    )
    terminal.show(budget_table(results["budgets"], "At each budget"))


def budget_table(rows: Iterable[Mapping[str, Any]], title: str) -> Table:
    """Returns a table of budgets.

    Args:
        rows: The `budgets` of the results.
        title: What it shows.
    """
    table = Table(title=title)
    for heading in BUDGET_COLUMNS:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*budget_cells(row))
    return table
