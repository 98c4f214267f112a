"""`tf-routing list`: the architectures of the zoo with their counts and weights."""

import argparse
from typing import Any

from rich.table import Table

from tf_routing import zoo
from tf_routing.cli.options import add_json_option
from tf_routing.support.terminal import print_json, show
from tf_routing.zoo.card_fields import write_number


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds a pattern of names, `--family` and `--json`."""
    parser.add_argument("pattern", nargs="?", default="*", help="wildcard, for example 'resnet20_*cc'")
    parser.add_argument("--family", help="only architectures of this family")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints a table of architectures: parameters, MACs, the papers' errors, which weights there are."""
    rows = [_row(name) for name in zoo.list_models(arguments.pattern, family=arguments.family)]
    if arguments.json:
        print_json(rows)
        return
    if not rows:
        print(f"No architecture matches {arguments.pattern!r}.")
        return
    table = Table()
    table.add_column("name", overflow="fold")
    table.add_column("table")
    for heading in ("parameters", "MACs", "reported error, %"):
        table.add_column(heading, justify="right")
    table.add_column("weights")
    for row in rows:
        errors = "\n".join(f"{data} {value:.2f}" for data, value in row["error_percent"].items())
        counts = write_number(row["parameters"]), write_number(row["macs"])
        table.add_row(row["name"], row["table"] or "-", *counts, errors or "-", "\n".join(row["weights"]) or "-")
    show(table)


def _row(name: str) -> dict[str, Any]:
    card = zoo.card(name)
    # A network that somebody is adding may have no row yet.
    first = card.reported[0] if card.reported else None
    return {
        "name": name,
        "family": card.family,
        "table": first and first.table,
        "input_shape": first and first.input_shape,
        "classes": first and first.classes,
        "parameters": first and first.trainable_parameters,
        "macs": first and first.macs,
        "error_percent": first.error_percent if first else {},
        "recipe": card.recipe,
        "weights": card.weights,
    }
