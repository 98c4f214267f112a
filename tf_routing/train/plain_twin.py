"""What a network that trains on several replicas is measured with."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tf_routing.models import RoutedModel
from tf_routing.train.checkpoint import run_variables
from tf_routing.train.distribution.replica_values import replica_count
from tf_routing.train.phases import Phase, compile_for
from tf_routing.train.recipes.recipe import Recipe


class PlainTwin:
    """A model and, where several replicas train it, a copy outside of their strategy.

    What is measured, saved and drawn comes from the copy: Keras evaluates on one host only and leaves replicas with
    empty batches, and the file that is saved is the one that one device saves.

    Args:
        model: The model that trains.
        strategy: Its `tf.distribute.Strategy`, `None` for one device.
        build: Builds the same network again.
    """

    def __init__(self, model: RoutedModel, strategy: Any, build: Callable[[], RoutedModel]) -> None:
        self.model = model
        self.twin = model if replica_count(strategy) == 1 else build()

    def compile_for(self, phase: Phase, recipe: Recipe, steps: int) -> None:
        """Compiles the copy, if there is one, as the model is compiled."""
        if self.twin is not self.model:
            compile_for(phase, self.twin, recipe, steps)
            self.twin.optimizer.build(self.twin.trainable_variables)

    def current(self) -> RoutedModel:
        """Returns what to measure, with the values that the model has now."""
        if self.twin is not self.model:
            for variable, own in zip(run_variables(self.model), run_variables(self.twin), strict=True):
                own.assign(np.asarray(variable))
        return self.twin
