"""What a command line asks to be trained, known before Keras is imported."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from tf_routing.cli.recipe_options import given_values
from tf_routing.data.datasets import Dataset
from tf_routing.train.recipes.recipe import Recipe, load_recipe
from tf_routing.train.recipes.recipe_files import DEFAULT, lacks, read_recipe, written_values
from tf_routing.train.recipes.sweep import Run, chosen, load_sweep

# Steps of an epoch where the size of a batch is nobody's choice and images are few.
_LEAST_STEPS = 8


class Asked(NamedTuple):
    """What to train, on what and how.

    Args:
        recipe: How, with the values that options give.
        dataset: Name or path of the dataset.
        runs: The networks.
        open_batch: Boolean, whether the size of a batch is nobody's choice.
        note: What to know about the recipe, if anything.
    """

    recipe: Recipe
    dataset: str
    runs: list[Run]
    open_batch: bool
    note: str

    def show_note(self) -> None:
        """Prints what to know about the recipe."""
        if self.note:
            print(self.note)

    def sized_batch(self, dataset: Dataset, replicas: int = 1) -> Recipe:
        """Returns the recipe with a batch that fits the images of a dataset, and says so where it is another one."""
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


def asked_training(arguments: argparse.Namespace) -> Asked:
    """Reads the options that all commands have which train.

    Args:
        arguments: The parsed command line.

    Raises:
        ValueError: If a name or a value is wrong, or there is nothing to train.
        FileNotFoundError: If there is no such recipe file.
    """
    name, scale = arguments.recipe or DEFAULT, getattr(arguments, "scale", "paper")
    given = given_values(arguments)
    recipe = load_recipe(name, scale).changed(**given)
    said = {} if arguments.recipe is None else written_values(name, scale)
    filled = arguments.recipe is not None and lacks(said)
    note = f"{name} is filled from the recipe {DEFAULT}: it lacks {', '.join(filled)}." if filled else ""
    dataset, runs = _runs(arguments, name, scale)
    own = _network_arguments(arguments)
    runs = [run._replace(arguments={"width_multiplier": 1.0, **run.arguments, **own}) for run in runs]
    return Asked(recipe, dataset, runs, "batch_size" not in {*said, *given}, note)


def _runs(arguments: argparse.Namespace, recipe: str, scale: str) -> tuple[str, list[Run]]:
    """The name of the dataset, and the runs: the network that is named, or those of the recipe."""
    sweep = load_sweep(recipe, scale)
    if arguments.model is not None:
        shared = read_recipe(recipe, scale).get("arguments", {})
        return arguments.dataset or "digits", [Run(arguments.model, shared, "")]
    if sweep is None:
        raise ValueError(f"`model` must be given: the recipe {recipe} names none. Received: model=None")
    return arguments.dataset or sweep.dataset, chosen(sweep, arguments.runs)


def _network_arguments(arguments: argparse.Namespace) -> Mapping[str, Any]:
    width = arguments.width_multiplier
    return {**({} if width is None else {"width_multiplier": width}), **dict(arguments.set)}
