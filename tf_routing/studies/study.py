"""`tf-routing study`: trains the variants of a network that a question needs, measures and draws them."""

import argparse
import dataclasses
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_routing import data, zoo
from tf_routing.cli.training_arguments import asked_training
from tf_routing.studies.study_runs import Setup, build, check_variants, train_variants
from tf_routing.studies.study_table import Study, Variant, find_study
from tf_routing.support.files import write_json
from tf_routing.support.hardware import versions
from tf_routing.support.terminal import show
from tf_routing.support.validation import not_negative_integer, positive_integer
from tf_routing.train.networks import shown_as


def run(arguments: argparse.Namespace) -> None:
    """Conducts the study that the command line names, and prints its rows."""
    study = find_study(arguments.name)
    asked = asked_training(arguments)
    asked.show_note()
    loaded = data.load(asked.dataset, arguments.data_dir)
    if loaded.note:
        print(loaded.note)
    dataset, recipe = shown_as(arguments.model, loaded, asked.sized_batch(loaded))
    output, given = Path(arguments.output), asked.runs[0].arguments
    setup = Setup(arguments.model, dataset, recipe, output, arguments.seed, given, arguments.restart)
    content = conduct(arguments.name, study, setup, arguments.keep)
    show(_table(study.title, content["rows"]))
    print(f"Data and figure: {setup.output / arguments.name}.json and .png")


def conduct(name: str, study: Study, setup: Setup, keep: int | None = None) -> dict[str, Any]:
    """Trains what is not trained yet, measures, writes the data file, and draws the figure beside it.

    Args:
        name: Name of both files, without ending.
        study: What to train, measure and draw.
        setup: With what and how.
        keep: Integer, for studies of a number of kept blocks; where not given, the paper's for the network.

    Returns:
        The content of the data file.

    Raises:
        ValueError: If an argument is wrong, or a run's folder holds another run.
        TypeError: If the network does not know an argument.
    """
    not_negative_integer("seed", setup.seed)
    variants = _variants(name, study, setup, keep)
    check_variants(setup, variants)
    runs = train_variants(setup, variants)
    content = {**_asked(name, setup), **_function(study.measure)(setup, runs)}
    write_json(setup.output / f"{name}.json", content)
    _function(study.draw)(setup, content, study.title, setup.output / f"{name}.png")
    return content


def _variants(name: str, study: Study, setup: Setup, keep: int | None) -> Sequence[Variant]:
    if not callable(study.variants):
        if keep is not None:
            raise ValueError(f"`keep` means nothing to the study {name!r}. Received: keep={keep!r}")
        return study.variants
    blocks = len(build(setup, {}).decision_names)
    keep = _reported_keep(setup) if keep is None else positive_integer("keep", keep)
    if keep > blocks:
        raise ValueError(f"`keep` must be at most {blocks}, the blocks there are. Received: keep={keep!r}")
    return study.variants(keep, blocks)


def _reported_keep(setup: Setup) -> int:
    """The paper's number of executed blocks at its lower cost, on this dataset or else on the first it has."""
    reported = zoo.card(setup.architecture).reported
    by_data = reported[0].executed_blocks if reported else None
    lower = {key: value for key, value in by_data.items() if key.endswith("_v2")} if isinstance(by_data, dict) else {}
    if not lower:
        raise ValueError(f"`keep` must be given: the paper reports none for {setup.architecture}. Received: keep=None")
    return int(lower.get(f"{setup.dataset.name}_v2", next(iter(lower.values()))))


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(".")
    return getattr(importlib.import_module(f"tf_routing.studies.{module}"), function)


def _asked(name: str, setup: Setup) -> dict[str, Any]:
    return {
        "study": name,
        "model": setup.architecture,
        "model_arguments": dict(setup.model_arguments),
        "dataset": setup.dataset.name,
        "recipe": dataclasses.asdict(setup.recipe),
        "epochs": setup.recipe.epochs + setup.recipe.frozen_epochs,
        "seed": setup.seed,
        "versions": versions(),
    }


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """What the rows have that fits in a cell: numbers, words, and lists of numbers."""
    columns = [key for key, value in rows[0].items() if isinstance(value, (int, float, str, list))]
    table = Table(*(column.replace("_", " ") for column in columns), title=title)
    for row in rows:
        table.add_row(*(_shown(row[key]) for key in columns))
    return table


def _shown(value: float | str | list[float]) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
