"""What can be wrong with a command line, known before Keras and its backend are imported."""

import argparse
from collections.abc import Callable
from pathlib import Path

from tf_routing.cli.figure_arguments import check_output, given_options
from tf_routing.cli.training_arguments import asked_training
from tf_routing.data import datasets
from tf_routing.figures.figure_table import find_figure
from tf_routing.runs.run_record import check_folder, find_record
from tf_routing.runs.trained_file import trained_file
from tf_routing.studies.study_table import find_study
from tf_routing.train.campaigns.campaign_file import load_campaign
from tf_routing.zoo.registry import find


def check_names(arguments: argparse.Namespace) -> None:
    """Checks what a command line names: architecture, recipe, dataset, folders.

    Args:
        arguments: The parsed command line.

    Raises:
        ValueError: If a name is not known, or a folder holds something else.
        FileNotFoundError: If there is no such file, or a dataset is not prepared.
    """
    _CHECKS.get(arguments.command, lambda _: None)(arguments)


def _training(arguments: argparse.Namespace) -> None:
    asked = asked_training(arguments)
    for run in asked.runs:
        find(run.model)
        check_folder(Path(arguments.output, run.folder))
    datasets.check(asked.dataset, arguments.data_dir)


def _several_runs(arguments: argparse.Namespace) -> None:
    """The folder of a study holds folders of runs."""
    find_study(arguments.name)
    asked = asked_training(arguments)
    find(arguments.model)
    datasets.check(asked.dataset, arguments.data_dir)


def _trained(arguments: argparse.Namespace) -> None:
    trained_file(arguments.path)


def _measured(arguments: argparse.Namespace) -> None:
    """The dataset that is named, or else that of the run."""
    record = find_record(trained_file(arguments.path).parent)
    name = arguments.dataset or (record or {}).get("arguments", {}).get("dataset")
    if name is None:
        raise ValueError("`dataset` must be given for a network without the record of its run. Received: dataset=None")
    datasets.check(name, arguments.data_dir)


def _campaign(arguments: argparse.Namespace) -> None:
    for name in {training.dataset for training in load_campaign(arguments.file).trainings}:
        datasets.check(name, arguments.data_dir)


def _figures(arguments: argparse.Namespace) -> None:
    given = given_options(arguments, find_figure(arguments.name))
    check_output(arguments.output)
    for path in [given.get("model"), *arguments.folders]:
        if path is not None and not Path(path).exists():
            raise FileNotFoundError(f"There is no {path}: a folder of a run, or of runs, is needed.")


_CHECKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "card": lambda arguments: find(arguments.model) and None,
    "cost": lambda arguments: find(arguments.model) and None,
    "fit": _training,
    "tune": _training,
    "study": _several_runs,
    "campaign": _campaign,
    "evaluate": _measured,
    "export": _trained,
    "figures": _figures,
}
