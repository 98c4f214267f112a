"""`tf-routing study`: trains the variants of a network that a question needs, measures and draws them."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_routing.cli.options import add_training_options
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.cli.training_request import TrainingRequest, read_request
from tf_routing.data import datasets
from tf_routing.studies.study_table import Study, find_study, list_studies
from tf_routing.support.terminal import show
from tf_routing.zoo.registry import find

_RECIPE = "drn_quick"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the name of the study, its network, and how it trains."""
    parser.add_argument("name", help=f"one of {', '.join(list_studies())}")
    model = "name of an architecture that skips blocks"
    add_training_options(parser, model, _RECIPE, "folder of the data file, the figure and the runs")
    parser.set_defaults(recipe=_RECIPE)
    parser.add_argument(
        "--keep", type=int, help="blocks that decision_rules and sampled_decisions keep; the paper's where not given"
    )


def run(arguments: argparse.Namespace) -> None:
    """Conducts the study that the command line names, and prints its rows."""
    study = find_study(arguments.name)
    request = read_request(arguments)
    find(arguments.model)
    # What lies in the folder is checked where each variant is trained: a study's folder holds folders of runs.
    datasets.check(request.dataset, arguments.data_dir)
    start_quietly(onednn="1")
    _conduct(arguments, study, request)


def _conduct(arguments: argparse.Namespace, study: Study, request: TrainingRequest) -> None:
    from tf_routing.studies.study import conduct
    from tf_routing.studies.study_runs import Setup
    from tf_routing.train.networks import prepare_dataset

    loaded = request.load_dataset(arguments.data_dir)
    dataset, recipe = prepare_dataset(arguments.model, loaded, request.fit_batch(loaded))
    (network,) = request.runs
    output = Path(arguments.output)
    setup = Setup(
        arguments.model, dataset, recipe, output, arguments.seed, network.arguments, restart=arguments.restart
    )
    content = conduct(arguments.name, study, setup, arguments.keep)
    show(_rows_table(study.title, content["rows"]))
    print(f"Data and figure: {output / arguments.name}.json and .png")


def _rows_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Returns a table of what fits in a cell: numbers, words, and lists of numbers."""
    columns = [key for key, value in rows[0].items() if isinstance(value, (int, float, str, list))]
    table = Table(*(column.replace("_", " ") for column in columns), title=title)
    for row in rows:
        table.add_row(*(_format_cell(row[key]) for key in columns))
    return table


def _format_cell(value: float | str | list[float]) -> str:
    if isinstance(value, list):
        return ", ".join(map(_format_cell, value))
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
