"""`tf-routing cost NAME`: parameters and multiply-accumulates of each layer, and the gate that may skip it."""

import argparse
from typing import Any

from rich.table import Table

from tf_routing.cli.options import add_json_option, add_set_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.support.terminal import print_json, show
from tf_routing.zoo.registry import find


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the name of an architecture, `--set` and `--json`."""
    parser.add_argument("model", help="name of the architecture")
    add_set_option(parser)
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints one line per layer with parameters or cost, and the sums."""
    find(arguments.model)
    start_quietly()

    from tf_routing import cost, zoo

    model = zoo.get(arguments.model, **dict(arguments.set))
    layers = [row for row in cost.layer_costs(model) if row.parameters or row.macs]
    counts = {
        "parameters": sum(row.parameters for row in layers),
        "macs": model.static_cost,
        "gated_macs": sum(row.macs for row in layers if row.gate),
    }
    if arguments.json:
        print_json({"model": arguments.model, **counts, "layers": list(map(_layer_record, layers))})
        return
    show(_layer_table(f"{arguments.model}, per image", layers))
    print(
        f"{counts['parameters']:,} parameters. At most {counts['macs']:,} MACs, of which "
        f"{counts['gated_macs']:,} ({counts['gated_macs'] / counts['macs']:.1%}) wait for a switch."
    )


def _layer_record(row: Any) -> dict[str, Any]:
    return {
        "layer": row.layer,
        "output_shape": row.output_shape,
        "parameters": row.parameters,
        "macs": row.macs,
        "gate": row.gate,
    }


def _layer_table(title: str, rows: list[Any]) -> Table:
    table = Table(title=title)
    table.add_column("layer", overflow="fold")
    for heading in ("output", "parameters", "MACs"):
        table.add_column(heading, justify="right")
    table.add_column("gated by")
    for row in rows:
        counts = f"{row.parameters:,}", f"{row.macs:,}"
        table.add_row(row.layer, _format_shapes(row.output_shape), *counts, str(row.gate or ""))
    return table


def _format_shapes(shape: Any) -> str:
    shapes = shape if isinstance(shape, list) else [shape]
    return ", ".join("x".join(map(str, dimensions[1:])) for dimensions in shapes)
