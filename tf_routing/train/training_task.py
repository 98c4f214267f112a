"""What a run trains: a network of the zoo, a dataset, a recipe and a seed, which decide its result together."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_routing.data import Dataset
from tf_routing.models import RoutedModel
from tf_routing.train.final_results import save_results
from tf_routing.train.networks import build_network, prepare_dataset
from tf_routing.train.phases import Phase, compile_for
from tf_routing.train.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class TrainingTask:
    """What determines the result of a run.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on, as the network sees it.
        recipe: How to train, with the size of images that was open.
        seed: Integer, seeds weights, order and augmentation.
        model_arguments: Arguments of `zoo.get` for the network's family.
        steps: Integer, steps per epoch.
    """

    architecture: str
    dataset: Dataset
    recipe: Recipe
    seed: int
    model_arguments: Mapping[str, Any]
    steps: int

    def build_network(self) -> RoutedModel:
        """Builds the network, not yet compiled."""
        return build_network(self.architecture, self.dataset, self.recipe, self.model_arguments)

    def compile_network(self, phase: Phase, model: RoutedModel) -> None:
        """Compiles the network for a phase, with a new optimizer."""
        compile_for(phase, model, self.recipe, self.steps)

    def save_results(self, model: RoutedModel, output: Path, record: dict[str, Any], parameters: int) -> None:
        """Saves the trained network, and writes what it is worth into the record."""
        save_results(model, self.dataset, output, record, parameters)

    def describe(self) -> dict[str, Any]:
        """Returns `arguments` of the run's record: a folder's run continues where they are the same."""
        # Through JSON, so that tuples compare as what a record of an earlier run holds.
        recipe, model_arguments = json.loads(json.dumps([self.recipe.describe(), dict(self.model_arguments)]))
        return {
            "model": self.architecture,
            "dataset": self.dataset.name,
            **describe_images(self.dataset),
            "seed": self.seed,
            "model_arguments": model_arguments,
            "recipe": recipe,
        }


def describe_images(dataset: Dataset) -> dict[str, Any]:
    """Returns what a run's record says of the images that there are, and of those that were set apart."""
    images: dict[str, Any] = {"train_images": dataset.train.image_count, "test_images": dataset.test.image_count}
    apart = {"held_out": dataset.held_out, "calibration_share": dataset.calibration_share}
    return images | {name: value for name, value in apart.items() if value is not None}


def define_task(
    architecture: str, dataset: Dataset, recipe: Recipe, seed: int, model_arguments: Mapping[str, Any] | None = None
) -> TrainingTask:
    """Returns what a run trains, the dataset as the network sees it and what was open decided.

    Raises:
        ValueError: If the dataset cannot be shown so, or does not fill one batch.
    """
    dataset, recipe = prepare_dataset(architecture, dataset, recipe)
    arguments = {"width_multiplier": 1.0, **(model_arguments or {})}
    return TrainingTask(architecture, dataset, recipe, seed, arguments, recipe.steps_in(dataset.train))
