"""`tf-routing list`: the names of the zoo with their counts."""

import argparse

from rich.console import Console
from rich.table import Table

from tf_routing import zoo


def run(arguments: argparse.Namespace) -> None:
    """Prints a table of architectures: parameters, MACs, the papers' errors."""
    names = zoo.list_models(arguments.pattern, family=arguments.family)
    table = Table()
    table.add_column("name", no_wrap=True)
    table.add_column("table")
    for heading in ("parameters", "MACs", "reported error, %"):
        table.add_column(heading, justify="right")
    for name in names:
        row = zoo.card(name).reported[0]
        errors = "\n".join(f"{data} {value:.2f}" for data, value in row.error_percent.items())
        table.add_row(name, row.table, f"{row.trainable_parameters:,}", f"{row.macs:,}", errors or "-")
    Console().print(table if names else f"No architecture matches {arguments.pattern!r}.")
