"""Sets the error of a run beside what its paper reports, and says in what the two trainings differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tf_routing import zoo
from tf_routing.train.recipes.recipe import load_recipe
from tf_routing.zoo.card_fields import write_arguments, write_by_data
from tf_routing.zoo.cards import ReportedRow
from tf_routing.zoo.papers import call_paper, find_paper

# Columns of errors whose names do not begin with that of their dataset.
_DATASETS = {"imagenet_top1": "imagenet2012", "top1_1crop": "imagenet2012"}


def name_dataset(column: str) -> str:
    """Returns the dataset of a column of errors, as `--dataset` takes it.

    Example:

    >>> name_dataset("cifar10_200ep"), name_dataset("top1_1crop")
    ('cifar10', 'imagenet2012')
    """
    return _DATASETS.get(column, column.partition("_")[0])


def compare_with_paper(arguments: Mapping[str, Any], dataset: str, accuracy: float) -> Iterator[str]:
    """Yields lines for people; none where no paper reports an error of such a network on such images.

    Args:
        arguments: Those of the run, as its record holds them.
        dataset: Name of the dataset of the accuracy.
        accuracy: Float, a share.

    Example:

    >>> run = {"model": "resnet20_3cc", "model_arguments": {"width_multiplier": 0.5}, "recipe": {"name": "quick"}}
    >>> for line in compare_with_paper(run, "cifar10", 0.8125):
    ...     print(line)
    Error 18.75 %. Tissera et al. (2021), Table 3: cifar10 5.18.
    Not as there: width_multiplier=0.5, recipe quick instead of multipath_resnet.
    """
    if arguments.get("model") not in zoo.list_models():
        return
    card, given = zoo.card(arguments["model"]), arguments.get("model_arguments") or {}
    classes = (arguments.get("recipe") or {}).get("first_classes")
    rows = [(row, _find_errors(row, dataset, classes)) for row in card.reported if _is_of(row, given)]
    rows = [(row, errors) for row, errors in rows if errors]
    # The row that gives most of the arguments says most about the run; rows that quote another paper come later.
    found = max(rows, key=lambda each: len(each[0].arguments), default=None)
    if found is None:
        return
    row, errors = found
    paper = call_paper(find_paper(row.paper))
    yield f"Error {100 * (1 - accuracy):.2f} %. {paper}, {row.table}: {write_by_data(errors)}."
    changed = {name: value for name, value in given.items() if name not in row.arguments}
    differences = [*filter(None, [write_arguments(changed)]), *_compare_recipes(arguments.get("recipe"), card.recipe)]
    if differences:
        yield f"Not as there: {', '.join(differences)}."


def _is_of(row: ReportedRow, given: Mapping[str, Any]) -> bool:
    return all(name == "classes" or given.get(name) == value for name, value in row.arguments.items())


def _find_errors(row: ReportedRow, dataset: str, first_classes: int | None) -> dict[str, float]:
    """Returns the errors of a row on a dataset, by the names of their columns."""
    if dataset in _DATASETS.values() and row.classes != (first_classes or 1000):
        return {}
    return {name: error for name, error in row.error_percent.items() if name_dataset(name) == dataset}


def _compare_recipes(given: Mapping[str, Any] | None, named: str | None) -> Iterator[str]:
    if not given or named is None:
        return
    if given["name"] != named:
        yield f"recipe {given['name']} instead of {named}"
        return
    # As records hold it, with lists for tuples.
    paper = json.loads(json.dumps(load_recipe(named).describe()))
    for name in paper:
        if name in given and given[name] != paper[name]:
            yield f"{name} {given[name]} instead of {paper[name]}"
