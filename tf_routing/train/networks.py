"""Builds the network for a dataset and a recipe, as every command that trains does."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from tf_routing import zoo
from tf_routing.data import Dataset
from tf_routing.models import RoutedModel
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.zoo.registry import find

# What the dataset and the recipe decide.
_DECIDED = {
    "classes": "by the dataset: choose it with --dataset or --first_classes",
    "input_shape": "by the dataset and the recipe: choose it with --image_size",
}


def prepare_dataset(architecture: str, dataset: Dataset, recipe: Recipe) -> tuple[Dataset, Recipe]:
    """Returns a dataset as a network sees it, and the recipe with what was open.

    Args:
        architecture: Name of the zoo; its default size counts where neither the dataset nor the recipe has one.
        dataset: A dataset.
        recipe: How to train.

    Returns:
        Pair of the `Dataset`, of one size, and the `Recipe`.

    Raises:
        ValueError: If the dataset cannot be shown so, or the architecture whose default size counts is not known.
    """
    if recipe.image_size is None and None in dataset.image_shape:
        recipe = recipe.changed(image_size=find(architecture).defaults["input_shape"][0])
    return recipe.prepared(dataset), recipe


def build_network(
    architecture: str,
    dataset: Dataset,
    recipe: Recipe,
    arguments: Mapping[str, Any],
    weights: str | None = None,
) -> RoutedModel:
    """Builds a network for a dataset and a recipe.

    Args:
        architecture: Name of the zoo.
        dataset: The dataset as `prepare_dataset` returns it: its classes, size, mean and deviation are the network's.
        recipe: The recipe, which says whether images are standardised, and in which precision layers compute.
        arguments: Other arguments of `zoo.get`; `standardize` goes before what the recipe says.
        weights: As for `zoo.get`; images are standardised as they were where these weights were trained.

    Raises:
        ValueError: If an argument is wrong, or decided by the dataset.
        TypeError: If the network does not know an argument.
    """
    for name, by in _DECIDED.items():
        if name in arguments:
            raise ValueError(f"`{name}` is decided {by}. Received: {name}={arguments[name]!r}")
    given = {"weights": weights, **arguments}
    # Trained weights come with layers that standardise images as in their training, whatever the dataset's mean.
    pretrained = given["weights"] is not None and not str(given["weights"]).endswith(".weights.h5")
    statistics = {"standardize": dataset.channel_statistics()} if recipe.standardize and not pretrained else {}
    given = {"classes": dataset.classes, "input_shape": dataset.image_shape, **statistics, **given}
    with _computing_in(recipe.precision):
        return zoo.get(architecture, **given)


@contextlib.contextmanager
def _computing_in(precision: str | None) -> Iterator[None]:
    """A context in which layers are made with a dtype policy; with `None` it is that of Keras as it is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
