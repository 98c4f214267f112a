"""`tf-routing cost NAME`: what each layer of an architecture costs, and what it waits for."""

import argparse
from typing import Any

from rich.table import Table

from tf_routing import cost, zoo
from tf_routing.support.terminal import print_json, show


def run(arguments: argparse.Namespace) -> None:
    """Prints one line per layer with parameters or cost, and the sums."""
    model = zoo.get(arguments.model, **dict(arguments.set))
    rows = list(cost.layer_costs(model))
    gated = sum(row.macs for row in rows if row.gate)
    if arguments.json:
        _print_json(arguments.model, model, rows, gated)
        return
    table = Table(title=f"{arguments.model}, per image")
    table.add_column("layer", overflow="fold")
    for heading in ("output", "parameters", "MACs"):
        table.add_column(heading, justify="right")
    table.add_column("gated by")
    for row in rows:
        if row.parameters or row.macs:
            table.add_row(
                row.layer, _shape(row.output_shape), f"{row.parameters:,}", f"{row.macs:,}", str(row.gate or "")
            )
    show(table)
    print(
        f"{sum(row.parameters for row in rows):,} parameters. {model.static_cost:,} MACs with everything run, of which "
        f"{gated:,} ({gated / model.static_cost:.1%}) wait for a switch."
    )


def _print_json(name: str, model: Any, rows: list[Any], gated: int) -> None:
    layers = [
        {
            "layer": row.layer,
            "output_shape": row.output_shape,
            "parameters": row.parameters,
            "macs": row.macs,
            "gate": row.gate,
        }
        for row in rows
        if row.parameters or row.macs
    ]
    counts = {"parameters": sum(row.parameters for row in rows), "macs": model.static_cost, "gated_macs": gated}
    print_json({"model": name, **counts, "layers": layers})


def _shape(shape: Any) -> str:
    shapes = shape if isinstance(shape, list) else [shape]
    return ", ".join("x".join(map(str, each[1:])) for each in shapes)
