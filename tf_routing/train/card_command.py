"""`tf-routing card NAME`: what is known about an architecture."""

import argparse

from rich.console import Console
from rich.table import Table

from tf_routing import zoo
from tf_routing.zoo.cards import ModelCard


def run(arguments: argparse.Namespace) -> None:
    """Prints an architecture's card."""
    card = zoo.card(arguments.model)
    console = Console()
    console.print(f"[bold]{card.name}[/bold], family {card.family}")
    console.print(f"Paper: {card.reported[0].paper}")
    console.print(_reported(card))
    console.print(_measured(card) if card.measured else "Measured here: nothing yet.")
    console.print(f"Recipe: {card.recipe or 'none yet'}.  Released weights: {', '.join(card.weights) or 'none'}.")
    for note in {row.note for row in card.reported if row.note}:
        console.print(f"Note: {note}")


def _reported(card: ModelCard) -> Table:
    table = Table("built with", "input", "table", title="Counts, and what the paper reports")
    for heading in ("parameters", "with statistics", "printed, M", "MACs", "error, %"):
        table.add_column(heading, justify="right")
    for row in card.reported:
        call = ", ".join(f"{key}={value}" for key, value in row.arguments.items()) or "defaults"
        errors = ", ".join(f"{data} {value}" for data, value in row.error_percent.items())
        counts = [f"{row.trainable_parameters:,}", f"{row.total_parameters:,}"]
        size = "x".join(map(str, row.input_shape))
        table.add_row(call, size, row.table, *counts, str(row.parameters_printed_millions or "-"), f"{row.macs:,}", errors or "-")
    return table


def _measured(card: ModelCard) -> Table:
    table = Table("dataset", "recipe", "epochs", "seed", "accuracy", "minutes", title="Measured here")
    for run_ in card.measured:
        accuracy, minutes = f"{run_['accuracy']:.4f}", f"{run_['seconds'] / 60:.1f}"
        table.add_row(run_["dataset"], run_["recipe"], str(run_["epochs"]), str(run_["seed"]), accuracy, minutes)
    return table
