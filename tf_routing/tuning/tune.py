"""`tf-routing tune`: searches a family's loss weights, margins, temperatures and learning rate."""

import argparse
import dataclasses
import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tf_routing import data
from tf_routing.cli.recipe_options import given_values
from tf_routing.cli.training_arguments import asked_training
from tf_routing.cli.tune_options import TUNERS
from tf_routing.runs.removal import remove_run
from tf_routing.runs.run_record import open_record, write_record
from tf_routing.support.terminal import show
from tf_routing.support.validation import not_negative_integer, one_of, positive_integer
from tf_routing.train.networks import shown_as
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.tuning.results import beside_recipe, results_table, trial_rows, write_results
from tf_routing.tuning.search_space import Parameter, search_space
from tf_routing.tuning.trials import Trials, held_out, open_tuner, require_tuner

# What a search writes beside its record and the tuner's folder, which the tuner itself removes.
_WRITTEN = ("trials.json", "trials.csv", "trials.png", "best.toml")


def run(arguments: argparse.Namespace) -> None:
    """Searches as the command line says, and prints the best trials."""
    asked = asked_training(arguments)
    asked.show_note()
    dataset = data.load(asked.dataset, arguments.data_dir)
    given = asked.runs[0].arguments
    rows = tune(
        arguments.model,
        dataset,
        asked.sized_batch(dataset),
        Path(arguments.output),
        tuner=arguments.tuner,
        trials=arguments.trials,
        goal=arguments.goal,
        validation_share=arguments.validation_share,
        seed=arguments.seed,
        model_arguments=given,
        recipe_file=arguments.recipe or asked.recipe.name,
        fixed=list(given_values(arguments)),
        restart=arguments.restart,
    )
    print(f"{len(rows)} trials are in {arguments.output}. Train on all images with the best values:")
    words = ["fit", "--model", arguments.model, "--dataset", asked.dataset, "--recipe", f"{arguments.output}/best.toml"]
    print(f"tf-routing {shlex.join(words)} {beside_recipe(given)} --output ...".replace("  ", " "))


def tune(
    architecture: str,
    dataset: data.Dataset,
    recipe: Recipe,
    output: Path,
    *,
    tuner: str = "random",
    trials: int = 20,
    goal: str = "val_accuracy",
    validation_share: float = 0.2,
    seed: int = 0,
    model_arguments: dict[str, Any] | None = None,
    recipe_file: str | None = None,
    fixed: Sequence[str] = (),
    restart: bool = False,
) -> list[dict[str, Any]]:
    """Searches the declared space of a network's family, or continues a search that stopped.

    Each trial trains the network for the recipe's epochs on a part of the training images, and is measured on the
    rest. The folder then holds `trials.json`, `trials.csv`, `trials.png`, `best.toml`, a recipe for `fit`, and what
    continuing needs; all are written after each trial.

    Args:
        architecture: Name of the zoo.
        dataset: A dataset in memory; its test images are not looked at.
        recipe: How to train.
        output: Folder of the search.
        tuner: `"random"`, `"hyperband"` or `"bayesian"`.
        trials: Integer, number of trials, with those that there are.
        goal: What trials are compared by.
        validation_share: Float, the part of the training images that is held out.
        seed: Integer, seeds what is drawn, and every trial.
        model_arguments: Arguments of `zoo.get`; what is given here is not searched.
        recipe_file: What the record calls the recipe; its name by default.
        fixed: Names of the recipe's fields that are not searched.
        restart: Boolean, whether what a search wrote into the folder before is removed first.

    Returns:
        One dict per trial, the best first; see `tune_results.trial_rows`.

    Raises:
        ValueError: If an argument is wrong, or the folder holds something else than this search.
        ImportError: If a package of the extra `tune` is missing.
        RuntimeError: If no trial came to an end.
    """
    require_tuner(one_of("tuner", tuner, TUNERS))
    positive_integer("trials", trials)
    not_negative_integer("seed", seed)
    given = dict(model_arguments or {})
    dataset, recipe = shown_as(architecture, dataset, recipe)
    parts = held_out(dataset, validation_share, seed)
    trial = Trials(architecture, parts, recipe, recipe.epochs, seed, given)
    trial.space = search_space(architecture, trial.network(), {*given, *fixed})
    own = {"tuner": tuner, "goal": goal, "validation_share": validation_share, "recipe": recipe_file or recipe.name}
    asked = _asked(trial, dataset.name, own)
    if restart:
        remove_run(output, _WRITTEN, folders=())
    # A search without a trial that ended has found nothing that another could not find.
    begun = (output / "trials.json").exists()
    write_record(output, open_record(output, asked, begun=begun))
    report = _reporter(output, asked, trial.space, trials)
    search = open_tuner(tuner, trial, trials, goal, output, report, anew=not begun)
    search.search(epochs=recipe.epochs, verbose=0)
    rows = trial_rows(search, trial.space)
    if not rows:
        raise RuntimeError(f"No trial came to an end with a number for {goal!r}: see {output / 'search'}.")
    write_results(output, asked, trial.space, rows)
    show(results_table(asked, trial.space, rows))
    return rows


def _asked(trial: Trials, dataset_name: str, own: dict[str, Any]) -> dict[str, Any]:
    """Returns all that decides what a search finds; the number of trials only says how far it goes."""
    values = {
        "model": trial.architecture,
        "dataset": dataset_name,
        "seed": trial.seed,
        **own,
        "model_arguments": trial.model_arguments,
        "recipe_values": dataclasses.asdict(trial.recipe),
        "space": [each._asdict() for each in trial.space],
    }
    # Through JSON, so that tuples compare as what a record of an earlier search holds.
    return json.loads(json.dumps(values))


def _reporter(output: Path, asked: dict[str, Any], space: Sequence[Parameter], trials: int) -> Callable[[Any], None]:
    """Returns what a tuner calls after each trial: it writes all that is known and says how the last one went."""

    def report(search: Any) -> None:
        """Reports the newest trial of a tuner."""
        rows = trial_rows(search, space)
        if not rows:
            return
        write_results(output, asked, space, rows)
        last, best = max(rows, key=lambda row: row["trial"]), rows[0]
        scores = f"{asked['goal']} {last['score']:.4f}, the best is {best['score']:.4f}"
        print(f"trial {last['trial']} of {trials}: {scores}", flush=True)

    return report
