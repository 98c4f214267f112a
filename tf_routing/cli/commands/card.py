"""`tf-routing card NAME`: what is known about an architecture."""

import argparse
from typing import Any

from rich.table import Table

from tf_routing import zoo
from tf_routing.cli.options import add_json_option
from tf_routing.support.terminal import print_json, show
from tf_routing.zoo.cards import ModelCard, ReportedRow, shown_arguments

_SIDE_BY_SIDE = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the name of an architecture and `--json`."""
    parser.add_argument("model", help="name of the architecture")
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> None:
    """Prints an architecture's card."""
    card = zoo.card(arguments.model)
    if arguments.json:
        print_json(_as_dict(card))
        return
    show(f"{card.name}, family {card.family}")
    show(f"Paper: {card.reported[0].paper}")
    for start in range(0, len(card.reported), _SIDE_BY_SIDE):
        show(_reported(card.reported[start : start + _SIDE_BY_SIDE], card.reported[0].paper))
    measured = [row for row in card.reported if row.operating_points]
    if measured:
        needed = "".join(f", with {key}=..." for key in measured[0].needs or ())
        points = [point for row in measured for point in row.operating_points or []]
        show(_operating_points(points, needed))
    trade_off = [point for row in card.reported for point in row.trade_off or []]
    if trade_off:
        show(_trade_off(trade_off))
    show(_measured(card) if card.measured else "Measured here: nothing yet.")
    show(f"Recipe: {card.recipe or 'none yet'}.  Weights: {', '.join(card.weights) or 'none'}.")
    for note in dict.fromkeys(row.note for row in card.reported if row.note):
        show(f"Note: {note}")
    for argument, held in dict.fromkeys(pair for row in card.reported for pair in (row.needs or {}).items()):
        show(
            f"Errors with {argument}=... need {held}. Without it `zoo.get` and `tf-routing fit` have another objective."
        )


def _as_dict(card: ModelCard) -> dict[str, Any]:
    return {**card._asdict(), "reported": [row._asdict() for row in card.reported]}


def _reported(rows: list[ReportedRow], paper: str) -> Table:
    table = Table("", *(_call(row) for row in rows), title="Counts, and what the paper reports")
    fields = {
        "input": lambda row: "x".join(map(str, row.input_shape)),
        "classes": lambda row: str(row.classes),
        "parameters": lambda row: f"{row.trainable_parameters:,}",
        "with moving statistics": lambda row: _shown(row.total_parameters, "{:,}"),
        "printed by the paper": lambda row: _shown(row.parameters_printed_millions, "{} M"),
        "MACs per image": lambda row: _shown(row.macs, "{:,}"),
        "where": lambda row: row.table if row.paper == paper else f"{row.table} of {row.paper}",
        "error, %": lambda row: "\n".join(f"{data} {value}" for data, value in row.error_percent.items()) or "-",
        "executed blocks": lambda row: _by_data(row.executed_blocks),
    }
    for heading, field in fields.items():
        table.add_row(heading, *(field(row) for row in rows))
    return table


def _operating_points(points: list[dict[str, float]], needed: str) -> Table:
    table = Table(title=f"What the paper reports at each target rate{needed}")
    for heading in ("rate", "GMACs", "execution rate that these imply", "error, %"):
        table.add_column(heading, justify="right")
    for point in points:
        values = (point[key] for key in ("rate", "flops_g", "implied_subblock_rate", "error"))
        table.add_row(*map(str, values))
    return table


def _trade_off(points: list[dict[str, float]]) -> Table:
    table = Table(title="Trade-off that the paper reports (a multiply-add counts twice in its FLOPs)")
    for heading in ("executed blocks", "FLOPs, 1e8", "accuracy, %"):
        table.add_column(heading, justify="right")
    for point in points:
        table.add_row(*(str(point[key]) for key in ("k", "flops_1e8", "accuracy")))
    return table


def _by_data(value: dict[str, float] | float | None) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{data} {number}" for data, number in value.items())
    return _shown(value, "{}")


def _shown(count: float | None, form: str) -> str:
    return "-" if count is None else form.format(count)


def _call(row: ReportedRow) -> str:
    given = [f"{key}={value}" for key, value in row.arguments.items()]
    return ", ".join([*given, *(f"{key}=..." for key in row.needs or ())]) or "default arguments"


def _measured(card: ModelCard) -> Table:
    table = Table("dataset", "arguments", "recipe", title="Measured here")
    for heading in ("width x", "epochs", "seed", "accuracy", "minutes"):
        table.add_column(heading, justify="right")
    for run_ in card.measured:
        numbers = f"{run_['accuracy']:.4f}", f"{run_['seconds'] / 60:.1f}"
        settings = str(run_["model_arguments"]["width_multiplier"]), str(run_["epochs"]), str(run_["seed"])
        table.add_row(run_["dataset"], shown_arguments(run_), run_["recipe"], *settings, *numbers)
    return table
