"""The phases of a training run: all of a network trains, then perhaps all but its routers."""

from typing import Any, NamedTuple

from tf_routing.core.graph import deciding_layers
from tf_routing.models import RoutedModel
from tf_routing.objectives import Classification, Objective
from tf_routing.optimizers import DecayedSGD
from tf_routing.train.recipes.recipe import Recipe


class Phase(NamedTuple):
    """Epochs of a run, from `start`, those done before, to `end`; `frozen` says whether routers stay as they are."""

    start: int
    end: int
    frozen: bool


def phases(recipe: Recipe) -> list[Phase]:
    """Returns the phases of a recipe, one or two.

    Example:

    >>> from tf_routing.train.recipes.recipe import load_recipe
    >>> phases(load_recipe("quick"))
    [Phase(start=0, end=4, frozen=False)]
    """
    last = recipe.epochs + recipe.frozen_epochs
    second = [Phase(recipe.epochs, last, frozen=True)] if recipe.frozen_epochs else []
    return [Phase(0, recipe.epochs, frozen=False), *second]


def compile_for(phase: Phase, model: RoutedModel, recipe: Recipe, steps: int) -> None:
    """Compiles a model for a phase, with a new optimizer.

    Args:
        phase: The phase. In a frozen one routers decide as at inference and do not train, the learning rate is
            constant, and classification is all that counts.
        model: The model.
        recipe: How to train.
        steps: Integer, steps per epoch.
    """
    if phase.frozen:
        for layer in deciding_layers(model):
            layer.trainable = False
        rates: Any = recipe.frozen_learning_rate
        objective: Objective = Classification(recipe.label_smoothing)
    else:
        rates = recipe.learning_rates(steps)
        objective = model.default_objective().smoothed(recipe.label_smoothing).grouped(recipe.copies)
    optimizer = DecayedSGD(rates, recipe.momentum, recipe.kernel_decay, nesterov=recipe.nesterov)
    model.compile(optimizer, metrics=["accuracy"], objective=objective)
