"""Trains and loads the variants of a study: one folder per network, which several studies may share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from tf_routing.data import Dataset
from tf_routing.evaluation.routing_statistics import is_gated
from tf_routing.models import RoutedModel
from tf_routing.runs.folder_names import folder_name
from tf_routing.runs.trained_network import load_trained
from tf_routing.studies.variants import Variant
from tf_routing.train.networks import build_network
from tf_routing.train.planned_run import PlannedRun
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.zoo.registry import find, list_arguments


class Setup(NamedTuple):
    """What the variants of a study have in common.

    Args:
        architecture: Name of the zoo.
        dataset: What to train and test on, of one size of images.
        recipe: How to train.
        output: Folder of the study; runs have their folders in it.
        seed: Integer, seed of the runs, and of what is drawn when they are measured.
        model_arguments: Arguments of `zoo.get` for all variants.
        restart: Boolean, whether runs that are there are removed first.
    """

    architecture: str
    dataset: Dataset
    recipe: Recipe
    output: Path
    seed: int = 0
    model_arguments: Mapping[str, Any] = {}
    restart: bool = False


class TrainedVariant(NamedTuple):
    """A variant, the folder of its run, and the content of the run's `run.json`."""

    variant: Variant
    folder: Path
    record: dict[str, Any]


def build(setup: Setup, arguments: Mapping[str, Any], weights: str | None = None) -> RoutedModel:
    """Builds a network for the study's dataset, with these arguments over those that all variants share."""
    arguments = {**setup.model_arguments, **arguments}
    return build_network(setup.architecture, setup.dataset, setup.recipe, arguments, weights)


def check_variants(setup: Setup, variants: Sequence[Variant]) -> None:
    """Builds each variant, so that an argument that one of them refuses is known before the first is trained.

    Raises:
        ValueError: If a value is not possible, or the network skips nothing.
        TypeError: If the network does not know an argument.
    """
    for variant in variants:
        model = build(setup, {**variant.changes, **variant.at_test})
        if not is_gated(model):
            raise ValueError(
                f"`model` must be a network that skips blocks, such as drn_resnet32. "
                f"Received: model={setup.architecture!r}"
            )


def train_variants(setup: Setup, variants: Sequence[Variant]) -> list[TrainedVariant]:
    """Trains each variant in its folder, or goes on with one that stopped; one that is finished stays as it is."""
    trained = []
    for number, variant in enumerate(variants, 1):
        changes = _differences(setup, variant.changes)
        folder = setup.output / folder_name(changes)
        run = PlannedRun(
            f"{number} of {len(variants)}: {variant.label}, in {folder}",
            setup.architecture,
            {**setup.model_arguments, **changes},
            setup.dataset,
            setup.recipe,
            folder,
            setup.seed,
        )
        # Counted in all runs: a folder may serve a study that counts and others that do not.
        record = run.train(count_routes=True, restart=setup.restart)
        trained.append(TrainedVariant(variant, folder, record))
    return trained


def _differences(setup: Setup, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the changes that differ from the network's values: without any it is the same run."""
    defaults = {**list_arguments(setup.architecture), **find(setup.architecture).defaults}
    values = {**defaults, **setup.model_arguments}
    return {key: value for key, value in changes.items() if values[key] != value}


def load_network(setup: Setup, run: TrainedVariant) -> RoutedModel:
    """Loads a variant's trained network, with the arguments that change after training."""
    if not run.variant.at_test:
        return load_trained(str(run.folder))[0]
    # Decisions that are drawn have no seed of their own where none is given.
    keras.utils.set_random_seed(setup.seed)
    return build(setup, {**run.variant.changes, **run.variant.at_test}, str(run.folder / "model.keras"))


def describe(run: TrainedVariant) -> dict[str, Any]:
    """Returns what identifies a variant in a data file."""
    variant = run.variant
    settings = {"changes": dict(variant.changes), "at_test": dict(variant.at_test)}
    given = {key: value for key, value in settings.items() if value}
    return {"label": variant.label, "folder": run.folder.name, **given}
