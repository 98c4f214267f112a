"""Searches loss weights, margins, temperatures and the learning rate of a network, and writes the best values."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_routing import data
from tf_routing.runs.removal import remove_run
from tf_routing.runs.run_record import find_record, open_record, write_record
from tf_routing.support.terminal import show
from tf_routing.support.validation import not_negative_integer, one_of, positive_integer
from tf_routing.train.networks import prepare_dataset
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.tuning.results import results_table, trial_rows, write_results
from tf_routing.tuning.search_space import Parameter, search_space
from tf_routing.tuning.trials import Trials, held_out
from tf_routing.tuning.tuners import TUNERS, asks_a_chief, open_tuner, require_tuner

# What a search writes beside its record and the tuner's folder, which the tuner itself removes.
_WRITTEN = ("trials.json", "trials.csv", "trials.png", "best.toml")


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """What decides, with the network, the dataset and the recipe, what a search finds.

    Args:
        tuner: `"random"`, `"hyperband"` or `"bayesian"`.
        goal: Name of the logged number that trials are compared by.
        validation_share: Float, the part of the training images that is held out.
        seed: Integer, seeds what is drawn, and every trial.
        model_arguments: Arguments of `zoo.get`; what is given here is not searched.
        fixed: Names of the recipe's fields that are not searched.
        recipe_name: What the record calls the recipe; its name by default.
    """

    tuner: str = "random"
    goal: str = "val_accuracy"
    validation_share: float = 0.2
    seed: int = 0
    model_arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fixed: Sequence[str] = ()
    recipe_name: str | None = None

    def __post_init__(self) -> None:
        one_of("tuner", self.tuner, TUNERS)
        not_negative_integer("seed", self.seed)


def tune(
    architecture: str,
    dataset: data.Dataset,
    recipe: Recipe,
    output: Path,
    settings: SearchSettings | None = None,
    *,
    trials: int = 20,
    restart: bool = False,
) -> list[dict[str, Any]]:
    """Searches the declared space of a network's family, or continues a search that stopped.

    Each trial trains the network for the recipe's epochs on a part of the training images, and is measured on the
    rest. The folder then holds `trials.json`, `trials.csv`, `trials.png`, `best.toml`, a recipe for `fit`, and what
    continuing needs; all are written after each trial. Of several processes that search together, as the variables of
    Keras Tuner say, the chief chooses and writes, once at the end, and the others train.

    Args:
        architecture: Name of the zoo.
        dataset: A dataset in memory; its test images are not looked at.
        recipe: How to train.
        output: Folder of the search.
        settings: What to search with; the defaults of `SearchSettings` where not given.
        trials: Integer, number of trials, with those that there are.
        restart: Boolean, whether what a search wrote into the folder before is removed first.

    Returns:
        One dict per trial, the best first; see `results.trial_rows`. None for a process that is not the chief.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this search.
        ImportError: If a package of the extra `tune` is missing.
        RuntimeError: If no trial came to an end.
    """
    settings = settings or SearchSettings()
    require_tuner(settings.tuner)
    positive_integer("trials", trials)
    dataset, recipe = prepare_dataset(architecture, dataset, recipe)
    parts = held_out(dataset, settings.validation_share, settings.seed)
    given = dict(settings.model_arguments)
    trial = Trials(architecture, parts, recipe, recipe.epochs, settings.seed, given)
    trial.space = search_space(architecture, trial.network(), {*given, *settings.fixed})
    described = _describe(trial, dataset.name, settings)
    if asks_a_chief():
        _train_for_chief(trial, trials, settings, output, described)
        return []
    if restart:
        remove_run(output, _WRITTEN, folders=())
    # A search without a trial that ended has found nothing that another could not find.
    begun = (output / "trials.json").exists()
    write_record(output, open_record(output, described, begun=begun))
    report = _make_report(output, described, trial.space, trials)
    search = open_tuner(settings.tuner, trial, trials, settings.goal, output, report, anew=not begun)
    search.search(epochs=recipe.epochs, verbose=0)
    rows = trial_rows(search, trial.space)
    if not rows:
        raise RuntimeError(f"No trial came to an end with a number for {settings.goal!r}: see {output / 'search'}.")
    write_results(output, described, trial.space, rows)
    show(results_table(described, trial.space, rows))
    return rows


def _train_for_chief(
    trial: Trials, trials: int, settings: SearchSettings, output: Path, described: dict[str, Any]
) -> None:
    """Trains what the chief of a search chooses, which alone knows all trials and writes."""
    if find_record(output) is None:
        raise ValueError(f"{output} holds no search yet: start its chief first, with the same --output.")
    open_record(output, described, writes=False)
    search = open_tuner(settings.tuner, trial, trials, settings.goal, output, after_trial=lambda _: None)
    search.search(epochs=trial.epochs, verbose=0)


def _describe(trial: Trials, dataset_name: str, settings: SearchSettings) -> dict[str, Any]:
    """Returns all that decides what a search finds; the number of trials only says how far it goes."""
    values = {
        "model": trial.architecture,
        "dataset": dataset_name,
        "seed": settings.seed,
        "tuner": settings.tuner,
        "goal": settings.goal,
        "validation_share": settings.validation_share,
        "recipe": settings.recipe_name or trial.recipe.name,
        "model_arguments": trial.model_arguments,
        "recipe_values": trial.recipe.describe(),
        "space": [parameter._asdict() for parameter in trial.space],
    }
    # Through JSON, so that tuples compare as what a record of an earlier search holds.
    return json.loads(json.dumps(values))


def _make_report(
    output: Path, described: dict[str, Any], space: Sequence[Parameter], trials: int
) -> Callable[[Any], None]:
    """Returns what a tuner calls after each trial: it writes all that is known and says how the last one went."""

    def report(search: Any) -> None:
        """Reports the newest trial of a tuner."""
        rows = trial_rows(search, space)
        if not rows:
            return
        write_results(output, described, space, rows)
        last, best = max(rows, key=lambda row: row["trial"]), rows[0]
        scores = f"{described['goal']} {last['score']:.4f}, the best is {best['score']:.4f}"
        print(f"trial {last['trial']} of {trials}: {scores}", flush=True)

    return report
