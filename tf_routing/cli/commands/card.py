"""`tf-routing card NAME`: an architecture's counts, the paper's results and those measured here."""

import argparse

from rich.table import Table

from tf_routing import zoo
from tf_routing.cli.budget_table import budget_table
from tf_routing.cli.options import add_json_option
from tf_routing.cli.paper_comparison import name_dataset
from tf_routing.support.terminal import print_json, show
from tf_routing.zoo.card_fields import write_arguments, write_by_data, write_number, write_size
from tf_routing.zoo.cards import ModelCard, ReportedRow
from tf_routing.zoo.papers import find_paper, write_bibtex, write_reference

_SIDE_BY_SIDE = 3
# Others have names of their own here, or are made of parts.
_DATASETS = ("cifar10", "cifar100", "imagenet2012")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the name of an architecture, and other forms than tables."""
    parser.add_argument("model", help="name of the architecture")
    add_json_option(parser)
    parser.add_argument(
        "--bibtex", action="store_true", help="print how to cite its papers, for BibTeX, and nothing else"
    )


def run(arguments: argparse.Namespace) -> None:
    """Prints an architecture's card."""
    card = zoo.card(arguments.model)
    if arguments.json:
        print_json(card.as_dict())
        return
    papers = [find_paper(title) for title in dict.fromkeys(row.paper for row in card.reported)]
    if arguments.bibtex:
        print("\n\n".join(map(write_bibtex, papers)))
        return
    show(f"{card.name}, family {card.family}")
    for paper in papers:
        show(f"Paper: {write_reference(paper)}")
    for start in range(0, len(card.reported), _SIDE_BY_SIDE):
        show(_reported_table(card.reported[start : start + _SIDE_BY_SIDE], card.reported[0].paper))
    measured = [row for row in card.reported if row.operating_points]
    if measured:
        needed = "".join(f", with {key}=..." for key in measured[0].needs or ())
        show(_operating_point_table(measured, needed))
    trade_off = [point for row in card.reported for point in row.trade_off or []]
    if trade_off:
        show(_trade_off_table(trade_off))
    show(_measured_table(card) if card.measured else "Measured here: nothing yet.")
    for each in card.budgets:
        show(budget_table(each["budgets"], f"{each['file']} on {each['dataset']}, at budgets of computation"))
    show(f"Recipe: {card.recipe or 'none yet'}.  Weights: {', '.join(card.weights) or 'none'}.")
    if card.recipe:
        show(f"To train it so: {_write_command(card)}")
    for note in dict.fromkeys(row.note for row in card.reported if row.note):
        show(f"Note: {note}")
    for argument, held in dict.fromkeys(pair for row in card.reported for pair in (row.needs or {}).items()):
        show(
            f"Errors with {argument}=... need {held}. Without it `zoo.get` and `tf-routing fit` have another objective."
        )


def _write_command(card: ModelCard) -> str:
    datasets = [name_dataset(column) for row in card.reported for column in row.error_percent]
    dataset = datasets[0] if datasets and datasets[0] in _DATASETS else "DATASET"
    return f"tf-routing fit --model {card.name} --dataset {dataset} --recipe {card.recipe} --output runs/{card.name}"


def _reported_table(rows: list[ReportedRow], paper: str) -> Table:
    table = Table("", *(_write_call(row) for row in rows), title="Counts, and what the paper reports")
    fields = {
        "input": lambda row: write_size(row.input_shape),
        "classes": lambda row: str(row.classes),
        "parameters": lambda row: f"{row.trainable_parameters:,}",
        "with moving statistics": lambda row: write_number(row.total_parameters),
        "printed by the paper": lambda row: write_number(row.parameters_printed_millions, "{} M"),
        "MACs per image": lambda row: write_number(row.macs),
        "GMACs printed": lambda row: write_number(row.printed_gflops, "{}"),
        "FLOPs printed": lambda row: write_number(row.printed_flops_1e8, "{}e8"),
        "of the static network's": lambda row: _write_ratio(row.flops_ratio_percent),
        "a router of its block, printed": lambda row: write_number(row.router_cost_percent, "{} %"),
        "saved, printed": lambda row: write_number(row.cost_reduction_percent, "{} %"),
        "where": lambda row: row.table if row.paper == paper else f"{row.table} of {row.paper}",
        "error, %": lambda row: write_by_data(row.error_percent, "\n"),
        "executed blocks": lambda row: _write_blocks(row.executed_blocks),
    }
    for heading, field in fields.items():
        cells = [field(row) for row in rows]
        # Most papers print some of these only.
        if set(cells) != {"-"}:
            table.add_row(heading, *cells)
    return table


def _operating_point_table(rows: list[ReportedRow], needed: str) -> Table:
    table = Table(title=f"What the paper reports at each target rate{needed}")
    for heading in ("rate", "GMACs", "of the static network's, %", "execution rate that these imply", "error, %"):
        table.add_column(heading, justify="right")
    for row in rows:
        ratios = row.flops_ratio_percent if isinstance(row.flops_ratio_percent, dict) else {}
        for point in row.operating_points or []:
            ratio = write_number(ratios.get(str(point["rate"])), "{}")
            rate, gmacs, implied, error = (
                str(point[key]) for key in ("rate", "flops_g", "implied_subblock_rate", "error")
            )
            table.add_row(rate, gmacs, ratio, implied, error)
    return table


def _write_ratio(ratio: dict[str, float] | float | None) -> str:
    # Those by rate stand in a table of their own.
    return "-" if isinstance(ratio, dict) else write_number(ratio, "{} %")


def _trade_off_table(points: list[dict[str, float]]) -> Table:
    table = Table(title="Trade-off that the paper reports (a multiply-add counts twice in its FLOPs)")
    for heading in ("executed blocks", "FLOPs, 1e8", "accuracy, %"):
        table.add_column(heading, justify="right")
    for point in points:
        table.add_row(*(str(point[key]) for key in ("k", "flops_1e8", "accuracy")))
    return table


def _write_blocks(blocks: dict[str, float] | float | None) -> str:
    return write_by_data(blocks, "\n") if isinstance(blocks, dict) else write_number(blocks, "{}")


def _write_call(row: ReportedRow) -> str:
    return write_arguments({**row.arguments, **dict.fromkeys(row.needs or (), "...")}) or "default arguments"


def _measured_table(card: ModelCard) -> Table:
    table = Table("dataset", "arguments", "recipe", title="Measured here")
    for heading in ("width x", "epochs", "seed", "accuracy", "minutes"):
        table.add_column(heading, justify="right")
    for run_ in card.measured:
        numbers = f"{run_['accuracy']:.4f}", f"{run_['seconds'] / 60:.1f}"
        settings = str(run_["model_arguments"]["width_multiplier"]), str(run_["epochs"]), str(run_["seed"])
        table.add_row(
            run_["dataset"],
            write_arguments(run_["model_arguments"], leave_out=["width_multiplier"]),
            run_["recipe"],
            *settings,
            *numbers,
        )
    return table
