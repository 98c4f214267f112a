"""`tf-routing cost NAME`: what each layer of an architecture costs, and what it waits for."""

import argparse
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from tf_routing import cost, zoo

_WIDTH = 120


def run(arguments: argparse.Namespace) -> None:
    """Prints one line per layer with parameters or cost, and the sums."""
    model = zoo.get(arguments.model, **dict(arguments.set))
    rows = list(cost.layer_costs(model))
    table = Table(title=f"{arguments.model}, per image")
    table.add_column("layer", no_wrap=True)
    for heading in ("output", "parameters", "MACs"):
        table.add_column(heading, justify="right")
    table.add_column("gated by")
    for row in rows:
        if row.parameters or row.macs:
            table.add_row(
                row.layer, _shape(row.output_shape), f"{row.parameters:,}", f"{row.macs:,}", str(row.gate or "")
            )
    # In a file or a pipe nothing is as narrow as a terminal, and a number cut short is worth nothing.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table)
    gated = sum(row.macs for row in rows if row.gate)
    console.print(
        f"{sum(row.parameters for row in rows):,} parameters. {model.static_cost:,} MACs with everything run, of which "
        f"{gated:,} ({gated / model.static_cost:.1%}) wait for a switch."
    )


def _shape(shape: Any) -> str:
    shapes = shape if isinstance(shape, list) else [shape]
    return ", ".join("x".join(map(str, each[1:])) for each in shapes)
