"""Reads from a command line which networks to train, on what and how, before Keras is imported."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_routing import data
from tf_routing.cli.options import given_values
from tf_routing.train.recipes.recipe import Recipe, make_recipe
from tf_routing.train.recipes.recipe_files import DEFAULT, RecipeFile, read_recipe
from tf_routing.train.recipes.sweep import Run, choose_runs, make_sweep

# Steps of an epoch where neither a recipe nor an option sets the size of a batch and images are few.
_LEAST_STEPS = 8


class TrainingRequest(NamedTuple):
    """What to train, on what and how.

    Args:
        recipe: How, with the values that options give.
        dataset: Name or path of the dataset.
        runs: The networks.
        open_batch: Boolean, whether neither the recipe nor an option sets the size of a batch.
        note: What to know about the recipe, if anything.
    """

    recipe: Recipe
    dataset: str
    runs: list[Run]
    open_batch: bool
    note: str

    def load_dataset(self, data_dir: str | None) -> data.Dataset:
        """Loads the dataset, and prints what to know about it and the recipe.

        Args:
            data_dir: Folder of TensorFlow Datasets.
        """
        dataset = data.load(self.dataset, data_dir)
        for note in filter(None, (self.note, dataset.note)):
            print(note)
        return dataset

    def fit_batch(self, dataset: data.Dataset, replicas: int = 1) -> Recipe:
        """Returns the recipe with a batch that fits the images of a dataset, and prints where it is another one.

        Args:
            dataset: The dataset.
            replicas: Integer, number of devices that divide each batch.
        """
        if not self.open_batch:
            return self.recipe
        classes = self.recipe.first_classes
        image_count = (dataset.first_classes(classes) if classes else dataset).train.image_count
        few = max(1, image_count // _LEAST_STEPS)
        together = self.recipe.copies * replicas
        fitting = max(together, few * self.recipe.copies // together * together)
        if fitting >= self.recipe.batch_size:
            return self.recipe
        print(f"batch_size is {fitting}: there are {image_count} training images. --batch_size sets another.")
        return self.recipe.changed(batch_size=fitting)


def read_request(arguments: argparse.Namespace) -> TrainingRequest:
    """Reads the options of `options.add_training_options`.

    Args:
        arguments: The parsed command line.

    Raises:
        ValueError: If a name or a value is wrong, or there is nothing to train.
        FileNotFoundError: If there is no such recipe file.
    """
    file = read_recipe(arguments.recipe or DEFAULT, getattr(arguments, "scale", "paper"))
    given = given_values(arguments)
    recipe = make_recipe(file).changed(**given)
    # The default recipe is nobody's choice, nor is its size of a batch.
    written = {} if arguments.recipe is None else file.written
    note = f"{file.name} is filled from the recipe {DEFAULT}: it lacks {', '.join(file.missing)}."
    dataset, runs = _choose_runs(arguments, file)
    options = _network_options(arguments)
    runs = [run._replace(arguments={"width_multiplier": 1.0, **run.arguments, **options}) for run in runs]
    return TrainingRequest(recipe, dataset, runs, "batch_size" not in {*written, *given}, note if file.missing else "")


def _choose_runs(arguments: argparse.Namespace, file: RecipeFile) -> tuple[str, list[Run]]:
    """Returns the name of the dataset, and the runs: the network that `--model` names, or those of the recipe."""
    sweep = make_sweep(file)
    if arguments.model is not None:
        shared = file.values.get("arguments", {})
        return arguments.dataset or "digits", [Run(arguments.model, shared, "")]
    if sweep is None:
        raise ValueError(f"`model` must be given: the recipe {file.name} names none. Received: model=None")
    return arguments.dataset or sweep.dataset, choose_runs(sweep, arguments.runs)


def _network_options(arguments: argparse.Namespace) -> Mapping[str, Any]:
    width = arguments.width_multiplier
    return {**({} if width is None else {"width_multiplier": width}), **dict(arguments.set)}
