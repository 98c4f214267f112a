"""Recipes that train several networks: one run for each value of an argument."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tf_routing.runs.folder_names import folder_name
from tf_routing.support.validation import unknown
from tf_routing.train.recipes.recipe_files import RecipeFile

_KEYS = ("model", "dataset", "arguments", "each")


class Run(NamedTuple):
    """A network to train: its name in the zoo, its arguments, and the folder of its run."""

    model: str
    arguments: dict[str, Any]
    folder: str


class Sweep(NamedTuple):
    """What a recipe trains: the name of a dataset, and the runs."""

    dataset: str
    runs: list[Run]


def make_sweep(file: RecipeFile) -> Sweep | None:
    """Returns which networks a recipe trains.

    Args:
        file: What `read_recipe` returns.

    Returns:
        A `Sweep`, `None` for a recipe that says only how to train.

    Raises:
        ValueError: If the file's table `runs` has a key that is not known, or lacks one.

    Example:

    >>> from tf_routing.train.recipes.recipe_files import read_recipe
    >>> [run.folder for run in make_sweep(read_recipe("decide/hybrid_static")).runs][:2]
    ['decide_static1', 'decide_static2']
    """
    name, values = file.name, file.values
    runs = values.get("runs")
    if runs is None:
        return None
    for key in runs:
        if key not in _KEYS:
            raise ValueError(f"Recipe {name}: {unknown('key of runs', key, _KEYS)}")
    each = dict(runs.get("each", {}))
    models = each.pop("model", [runs.get("model")])
    if None in models or "dataset" not in runs:
        raise ValueError(f"Recipe {name} lacks a model or a dataset in its table `runs`.")
    # What the scale asks of every network, then what these networks are.
    shared = {**values.get("arguments", {}), **runs.get("arguments", {})}
    found = [_make_run(model, shared, varied, len(models) > 1) for model in models for varied in _combine(each)]
    return Sweep(runs["dataset"], found)


def _combine(each: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Returns the arguments of each run: those that vary do so together, one value after the other."""
    return [dict(zip(each, values, strict=True)) for values in zip(*each.values(), strict=True)] if each else [{}]


def _make_run(model: str, shared: Mapping[str, Any], varied: Mapping[str, Any], named: bool) -> Run:
    folder = folder_name(varied) if varied or not named else model
    return Run(model, {**shared, **varied}, f"{model}_{folder}" if named and varied else folder)


def choose_runs(sweep: Sweep, numbers: Sequence[int] | None) -> list[Run]:
    """Returns the runs with these numbers, counted from 1; all where none are given.

    Raises:
        ValueError: If there is no run of such a number.
    """
    for number in numbers or ():
        if not 1 <= number <= len(sweep.runs):
            raise ValueError(f"`runs` must be numbers from 1 to {len(sweep.runs)}. Received: {number}")
    return [sweep.runs[number - 1] for number in numbers] if numbers else sweep.runs
